"""dns64d before resolvers that it trusts to validate: Unbound and BIND, over real signed zones. dnspython asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dns.edns
import dns.flags
import dns.rcode
import dns.rdatatype
import pytest

from tests.lab.dns64_upstreams import ADDRESSES, SYNTHESIZED, Dns64, before_resolvers, data

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab

_CD: Final = dns.flags.RD | dns.flags.CD
_AD: Final = dns.flags.RD | dns.flags.AD
_EDE_SYNTHESIZED: Final = 29


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Dns64]]:
    with before_resolvers(tmp_path_factory.mktemp("validating"), "validating") as daemons:
        yield daemons


@pytest.fixture(params=ADDRESSES)
def dns64(request: pytest.FixtureRequest, daemons: dict[str, Dns64]) -> Dns64:
    return daemons[request.param]


@pytest.mark.parametrize("options", [{"want_dnssec": True}, {"flags": _AD}])
def test_rfc6840_5_8_ad_of_a_real_aaaa_is_passed_on_to_who_asks_for_it(
    dns64: Dns64, options: dict[str, Any]
) -> None:
    response = dns64.ask("v6.signed.example.", **options)
    assert data(response)[0] == "2001:db8:6::44"
    assert response.flags & dns.flags.AD
    assert not dns64.ask("v6.example.", **options).flags & dns.flags.AD


def test_rfc6840_5_7_ad_is_not_set_for_who_did_not_ask(dns64: Dns64) -> None:
    response = dns64.ask("v6.signed.example.")
    assert data(response) == ["2001:db8:6::44"]
    assert not response.flags & dns.flags.AD


@pytest.mark.parametrize("options", [{}, {"want_dnssec": True}, {"flags": _AD}, {"flags": _CD}])
@pytest.mark.parametrize(("name", "host"), [("v4.signed.example.", 44), ("v4.example.", 33)])
def test_rfc6147_5_5_what_is_validated_or_unsigned_is_synthesized_and_never_with_ad(
    dns64: Dns64, name: str, host: int, options: dict[str, Any]
) -> None:
    response = dns64.ask(name, **options)
    assert data(response) == [SYNTHESIZED(host)]
    assert not response.flags & dns.flags.AD


@pytest.mark.parametrize("options", [{}, {"want_dnssec": True}, {"flags": _AD}])
@pytest.mark.parametrize("name", ["half.signed.example.", "v4.bogus.example."])
def test_rfc6147_5_5_what_does_not_validate_is_servfail_and_not_synthesized_over(
    dns64: Dns64, name: str, options: dict[str, Any]
) -> None:
    response = dns64.ask(name, **options)
    assert (response.rcode(), data(response)) == (dns.rcode.SERVFAIL, [])


@pytest.mark.parametrize(("name", "host"), [("half.signed.example.", 45), ("v4.bogus.example.", 44)])
def test_rfc6147_5_5_cd_alone_has_it_synthesized_all_the_same(dns64: Dns64, name: str, host: int) -> None:
    assert data(dns64.ask(name, flags=_CD)) == [SYNTHESIZED(host)]


@pytest.mark.parametrize("name", ["v4.signed.example.", "half.signed.example.", "v4.bogus.example."])
def test_rfc6147_5_5_cd_and_do_are_never_synthesized(dns64: Dns64, name: str) -> None:
    response = dns64.ask(name, want_dnssec=True, flags=_CD)
    assert (response.rcode(), data(response)) == (dns.rcode.NOERROR, [])
    assert dns.rdatatype.NSEC in {rrset.rdtype for rrset in response.authority}


def test_rfc8914_4_30_a_synthesized_answer_says_so(dns64: Dns64) -> None:
    response = dns64.ask("v4.signed.example.", use_edns=0)
    assert [option.code for option in response.options if isinstance(option, dns.edns.EDEOption)] == [
        _EDE_SYNTHESIZED
    ]
    assert not dns64.ask("v6.signed.example.", use_edns=0).options
