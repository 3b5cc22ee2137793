"""What role resolver writes on a host."""

from __future__ import annotations

import re

import pytest

from tests.unit.roles.rendering import render, value


@pytest.mark.parametrize(("given", "written"), [("auto", "auto"), ("no", "no"), (False, "no"), (True, "yes")])
def test_an_unquoted_yes_or_no_means_what_it_says(given: object, written: str) -> None:
    text = render("resolver/named.conf.j2", resolver_dnssec_validation=given)
    assert f"dnssec-validation {written};" in text


def test_the_resolver_is_open_to_this_host_alone() -> None:
    text = render("resolver/named.conf.j2", resolver_forwarders=[{"address": "192.0.2.53"}])
    assert re.findall(r"listen-on(?:-v6)? port 65053 \{ (.*?); \};", text) == ["127.0.0.1", "::1"]
    assert re.findall(r"allow-(?:query|recursion) \{ (.*?) \};", text) == ["127.0.0.0/8; ::1;"] * 2


@pytest.mark.parametrize(
    ("family", "package"),
    [("Debian", "dns-root-data"), ("Alpine", "dnssec-root"), ("Gentoo", "net-dns/dnssec-root")],
)
def test_unbound_comes_with_the_roots_key_where_it_reads_it(family: str, package: str) -> None:
    for validation, wanted in (("auto", True), ("yes", False), (False, False)):
        chosen = {"resolver_backend": "unbound", "resolver_dnssec_validation": validation}
        server = value("resolver", "__resolver_server", family, **chosen)
        assert (package in server["packages"]) is wanted
