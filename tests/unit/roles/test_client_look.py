"""What role client sees of a host before it changes anything."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

SCRIPT = Path(__file__).parents[3] / "roles" / "client" / "files" / "look.py"
WANTED: dict[str, Any] = {
    "clat": True,
    "uplink": "",
    "prefix": "",
    "device": "nat64-clat",
    "nameservers": [],
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("client_look", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "dev/net").mkdir(parents=True)
    (tmp_path / "dev/net/tun").touch()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text("nameserver 192.0.2.53\n")
    return tmp_path


def seen(script: ModuleType, host: Path, **wanted: object) -> dict[str, Any]:
    found: dict[str, Any] = script.look(WANTED | wanted, host)
    return found


def test_a_plain_host_has_nothing_in_the_way(script: ModuleType, host: Path) -> None:
    assert seen(script, host) == {"findings": [], "other_clat": "", "resolver": "file"}


def test_each_mistake_is_told_with_its_variable_and_a_remedy(script: ModuleType, host: Path) -> None:
    found = seen(script, host, prefix="64:ff9b::/95", nameservers=["gateway"], device="", uplink="an uplink")[
        "findings"
    ]
    assert [line.split(":")[0] for line in found] == [
        "client_prefix",
        "client_nameservers",
        "client_uplink",
        "client_device",
    ]
    assert all(";" in line for line in found)
    assert "client_prefix" in seen(script, host, prefix="64:ff9b::1/96")["findings"][0]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/systemd/network/lan.network", "[Match]\nName=lan0\n[Network]\nCLAT=yes\n"),
        ("etc/NetworkManager/system-connections/lan.nmconnection", "[ipv4]\nclat=auto\n"),
        ("etc/NetworkManager/conf.d/clat.conf", "[connection]\nipv4.clat=2\n"),
    ],
)
def test_a_manager_that_is_set_to_have_a_clat_has_precedence(
    script: ModuleType, host: Path, path: str, text: str
) -> None:
    (host / path).parent.mkdir(parents=True)
    (host / path).write_text(text)
    assert path in seen(script, host)["other_clat"]
    assert seen(script, host, clat=False)["other_clat"] == ""
    (host / path).write_text(text.replace("=yes", "=no").replace("=auto", "=no").replace("=2", "=0"))
    assert seen(script, host)["other_clat"] == ""


def test_systemd_resolved_is_told_by_its_own_drop_in(script: ModuleType, host: Path) -> None:
    (host / "etc/resolv.conf").unlink()
    (host / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    assert seen(script, host, nameservers=["2001:db8::1"]) == {
        "findings": [],
        "other_clat": "",
        "resolver": "resolved",
    }


def test_a_resolv_conf_that_another_program_writes_is_left_to_it(script: ModuleType, host: Path) -> None:
    (host / "etc/resolv.conf").unlink()
    (host / "etc/resolv.conf").symlink_to("/run/NetworkManager/resolv.conf")
    assert seen(script, host)["findings"] == []
    (line,) = seen(script, host, nameservers=["2001:db8::1"])["findings"]
    assert "/run/NetworkManager/resolv.conf" in line
    assert "client_nameservers empty" in line
