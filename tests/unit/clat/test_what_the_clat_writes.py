"""The addresses, the translator's config and the kernel's settings that a CLAT makes."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.prefix import LENGTHS, Pref64
from nat64.clat.decisions import Wanted
from nat64.clat.errors import ClatError
from nat64.clat.forwarding import Forwarding
from nat64.clat.identifiers import stable_address
from nat64.clat.translator_config import ipv4_mtu, text
from nat64.config import tayga

if TYPE_CHECKING:
    from pathlib import Path

LAN = IPv6Network("2001:db8:1::/64")


def test_rfc7217_5_an_address_is_the_same_in_its_network_and_another_elsewhere() -> None:
    own = stable_address(b"s", LAN, "lan0", 0)
    assert own in LAN
    assert stable_address(b"s", LAN, "lan0", 0) == own
    identifiers = {
        int(each) & (1 << 64) - 1
        for each in (
            own,
            stable_address(b"t", LAN, "lan0", 0),
            stable_address(b"s", LAN, "lan1", 0),
            stable_address(b"s", LAN, "lan0", 1),
            stable_address(b"s", IPv6Network("2001:db8:2::/64"), "lan0", 0),
        )
    }
    assert len(identifiers) == 5


@given(
    length=st.sampled_from(LENGTHS),
    network=st.integers(0x2001_0DB8_0000_0000, 0x2001_0DB8_FFFF_FFFF),
    mtu=st.integers(1280, 9000),
)
def test_the_translator_takes_the_config(
    tmp_path_factory: pytest.TempPathFactory, length: int, network: int, mtu: int
) -> None:
    lan = IPv6Network((network << 64, 64))
    prefix = Pref64(IPv6Network((0x3FFF << 112, length)))
    wanted = Wanted("lan0", 2, mtu, stable_address(b"s", lan, "lan0", 0), lan[7], prefix)
    path = tmp_path_factory.mktemp("clat") / "nat64.conf"
    path.write_text(text(wanted, device="nat64-clat", control_socket=path.with_name("control.sock")))
    config = tayga.read(path, None, state_directory=None, cores=2)
    assert config.warnings == ()
    assert config.prefix == prefix
    assert str(config.ipv4_addr) == "192.0.0.1"


@given(st.integers(1280, 65535))
def test_rfc7915_4_an_ipv4_packet_of_the_routes_mtu_fits_with_the_longer_headers(mtu: int) -> None:
    assert ipv4_mtu(mtu) + 40 - 20 + 8 == mtu


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    values = {
        "all/forwarding": "0",
        "all/proxy_ndp": "0",
        "all/accept_ra": "1",
        "default/accept_ra": "1",
        "lan0/accept_ra": "1",
        "managed0/accept_ra": "0",
        "router0/accept_ra": "2",
    }
    for name, value in values.items():
        (tmp_path / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / name).write_text(value + "\n")
    return tmp_path / "conf"


def values(settings: Path) -> dict[str, str]:
    return {str(path.relative_to(settings)): path.read_text().strip() for path in settings.glob("*/*")}


def test_who_lives_by_advertisements_goes_on_to_before_anything_is_forwarded(
    settings: Path, tmp_path: Path
) -> None:
    before = values(settings)
    forwarding = Forwarding(tmp_path / "kept", settings)
    changed = forwarding.turn_on()
    assert changed[-1] == "all/forwarding=1"
    assert set(changed) == {
        "default/accept_ra=2",
        "lan0/accept_ra=2",
        "all/proxy_ndp=1",
        "all/forwarding=1",
    }
    assert forwarding.turn_on() == []
    (settings / "lan0/accept_ra").write_text("1\n")
    assert forwarding.turn_on() == ["lan0/accept_ra=2"]
    # Another process takes it back, as after a kill.
    Forwarding(tmp_path / "kept", settings).turn_back()
    assert values(settings) == before


def test_a_host_that_forwards_already_goes_on_to(settings: Path, tmp_path: Path) -> None:
    (settings / "all/forwarding").write_text("1\n")
    forwarding = Forwarding(tmp_path / "kept", settings)
    forwarding.turn_on()
    forwarding.turn_back()
    assert values(settings)["all/forwarding"] == "1"


def test_what_cannot_be_set_is_told_with_its_name(settings: Path, tmp_path: Path) -> None:
    (settings / "all/proxy_ndp").unlink()
    (settings / "all/proxy_ndp").mkdir()
    with pytest.raises(ClatError, match="all/proxy_ndp"):
        Forwarding(tmp_path / "kept", settings).turn_on()
