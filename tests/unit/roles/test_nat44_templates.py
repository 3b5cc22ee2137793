"""What role nat44 writes on a host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.roles.rendering import FACTS, render

if TYPE_CHECKING:
    from pathlib import Path

FORWARDS = [
    {"protocol": "tcp", "port": 8080, "ipv4": "192.168.240.80", "to_port": 80},
    {"protocol": "udp", "port": 53, "ipv4": "192.168.240.81", "to_port": 53},
]


def table(**rules: object) -> str:
    """Render the table of these rules, and else of the facts'."""
    host: dict[str, Any] = FACTS["__nat44_host"]
    return render("nat44/nat44.nft.j2", __nat44_host=host | {"rules": host["rules"] | rules})


@pytest.mark.skipif(shutil.which("nft") is None or os.geteuid() != 0, reason="needs nft and root")
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"lan_interfaces": [], "lan_networks": ["2001:db8:1::/64", "2001:db8:2::/64"]},
        {"lan_interfaces": ["lan0", "eth0.100"], "uplinks": ["ppp0", "wan-1"]},
        {"clamp_mss": "rt mtu"},
        {"clamp_mss": "1360"},
        {"pools": ["192.168.240.0/20", "10.0.0.0/8"]},
        {"port_forwards": FORWARDS, "uplinks": ["ppp0", "wan-1"], "clamp_mss": "rt mtu"},
    ],
)
def test_nft_takes_the_table_once_however_often_it_is_loaded(
    rules: dict[str, object], tmp_path: Path
) -> None:
    file = tmp_path / "nat44.nft"
    file.write_text(table(**rules))
    loaded_twice = f"nft --check --file {file} && nft --file {file} && nft --file {file} && nft list ruleset"
    loaded = subprocess.run(
        ["unshare", "--net", "sh", "-c", loaded_twice], capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.count("masquerade") == 1
    assert loaded.stdout.count("dnat ip to") == len(rules.get("port_forwards", []))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed",
    [
        {"lan_interfaces": ["lan1"]},
        {"lan_networks": ["2001:db8:1::/64"]},
        {"uplinks": ["eth1"]},
        {"pools": ["192.168.0.0/24"]},
        {"device": "nat65"},
        {"clamp_mss": "rt mtu"},
        {"port_forwards": FORWARDS},
    ],
)
def test_a_table_of_other_rules_has_another_version(changed: dict[str, object]) -> None:
    def version(**rules: object) -> str:
        (found,) = re.findall('comment "([0-9a-f]{64})"', table(**rules))
        return str(found)

    assert version() == version() != version(**changed)


@pytest.mark.parametrize("family", ["Debian", "Gentoo"])
def test_the_unit_is_ordered_after_every_service_that_flushes(family: str) -> None:
    unit = render("nat44/nat64-nat44.service.j2", family)
    (after,) = re.findall("^After=(.*)$", unit, re.MULTILINE)
    assert "nftables.service" in after.split()
    assert ("nftables-load.service" in after.split()) == (family == "Gentoo")


SAVED = """\
table inet filter {
	chain forward {
		type filter hook forward priority filter; policy accept;
	}
}
table inet nat64_nat44 {
	comment "old"

	chain forward {
		type filter hook forward priority filter; policy accept;
	}
}
table ip nat {
}
"""


def test_our_table_is_taken_out_of_what_the_firewall_service_saved(tmp_path: Path) -> None:
    script, saved = tmp_path / "after-flush", tmp_path / "rules-save"
    script.write_text(render("nat44/after-flush.sh.j2", "Gentoo"))
    saved.write_text(SAVED)
    subprocess.run(["sh", script, saved], check=True)
    before, _, rest = SAVED.partition("table inet nat64_nat44")
    assert saved.read_text() == before + rest.partition("\n}\n")[2]


def test_the_functions_for_the_firewall_service_harm_it_never() -> None:
    text = render("nat44/nftables.confd.j2")
    run = subprocess.run(
        ["sh", "-euc", f"{text}\nNFTABLES_SAVE=/nowhere\nstart_post; stop_post; reload_post; save_post"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
