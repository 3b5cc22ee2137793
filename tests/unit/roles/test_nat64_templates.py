"""What role nat64 writes on a host."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.roles.rendering import FACTS, checked, render, value

MAPS = [
    {"ipv4": "192.0.2.80", "ipv6": "2001:db8:1::80"},
    {"ipv4": "198.51.100.0/28", "ipv6": "2001:db8:2::/124"},
]

FURTHER = [
    {"prefix": "2001:db8:64:ff9b::/96", "pool": "192.168.224.0/20"},
    {"prefix": "2001:db8:65:ff9b::/96"},
]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"nat64_maps": MAPS, "nat64_tun_addresses": ["192.0.2.1/32"]},
        {"nat64_extra_directives": ["offlink-mtu 1400"]},
        {"nat64_icmp_rate": "200 burst 20"},
        {"nat64_rfc6791_pool": "198.51.100.0/24", "nat64_rfc5837": True},
        {"nat64_fast_path": "off"},
        {"nat64_fast_path": False},
        {"nat64_fast_path": "require", "nat64_linger": 0, "nat64_new_hosts": "unlimited"},
        {"nat64_lease_listen": "192.0.2.1", "nat64_lease_peers": ["192.0.2.2 port 7000", "2001:db8::2"]},
        {"nat64_tos": "0"},
        {"nat64_tos": "0x20 copy"},
        {"nat64_further_prefixes": FURTHER, "nat64_maps": MAPS, "nat64_hairpin": "off"},
    ],
)
def test_nat64d_accepts_the_config(variables: dict[str, Any], tmp_path: Path) -> None:
    assert checked("nat64d", render("nat64/nat64.conf.j2", **variables), tmp_path) == (0, "")


def test_rfc6791_the_routers_addresses_lead_to_the_translator() -> None:
    lines = render("nat64/nat64.conf.j2", nat64_rfc6791_pool="198.51.100.0/24").splitlines()
    assert "rfc6791-pool 198.51.100.0/24" in lines
    assert "tun-route 198.51.100.0/24" in lines
    assert "rfc5837 yes" not in lines


@pytest.mark.parametrize(("chosen", "written"), [("auto", "auto"), ("require", "require"), (False, "off")])
def test_the_fast_path_is_what_the_variable_says_also_where_yaml_takes_off_for_false(
    chosen: object, written: str
) -> None:
    lines = render("nat64/nat64.conf.j2", nat64_fast_path=chosen, nat64_linger=120).splitlines()
    assert [line for line in lines if line.startswith("fast-path")] == [f"fast-path {written}"]
    assert ("linger 120" in lines) == ("bpffs /run/nat64-bpf" in lines) == (written != "off")


def unit_settings(unit: str, fast_path: str) -> dict[str, list[str]]:
    """Return what a rendered unit sets, by its keys."""
    found: dict[str, list[str]] = {}
    for line in render(f"nat64/{unit}.j2", nat64_fast_path=fast_path).splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("fast_path", ["auto", "require"])
def test_the_translators_unit_has_what_the_fast_path_needs(fast_path: str) -> None:
    unit = unit_settings("nat64d.service", fast_path)
    assert unit["AmbientCapabilities"] == unit["CapabilityBoundingSet"] == ["CAP_NET_ADMIN CAP_BPF"]
    *_, denied, allowed_again = unit["SystemCallFilter"]
    assert denied == "~@privileged @resources"
    assert "bpf" in allowed_again.split()
    # With a dash: where it cannot be mounted the translator runs as well.
    assert unit["ReadWritePaths"] == ["-/run/nat64-bpf"]
    assert unit_settings("nat64-tun.service", fast_path)["ReadWritePaths"] == ["-/run/nat64-bpf"]


def test_without_the_fast_path_no_unit_has_more_than_it_needs() -> None:
    daemon, tun = (unit_settings(unit, "off") for unit in ("nat64d.service", "nat64-tun.service"))
    assert daemon["AmbientCapabilities"] == daemon["CapabilityBoundingSet"] == ["CAP_NET_ADMIN"]
    assert "bpf" not in " ".join(daemon["SystemCallFilter"])
    assert tun["CapabilityBoundingSet"] == ["CAP_NET_ADMIN CAP_FOWNER"]
    assert "ReadWritePaths" not in daemon | tun
    assert not any("mount -t" in command for command in tun["ExecStartPre"])


def mounts(
    script: str, tmp_path: Path, *, mounted: bool, kernel: str = "nodev\tbpf\n", fails: bool = False
) -> str:
    """Run a script with stand-ins for what it calls, and return what they were asked to do; it must not fail."""
    (tmp_path / "filesystems").write_text(kernel)
    script = script.replace("/proc/filesystems", str(tmp_path / "filesystems"))
    stand_ins = f"""
        mountinfo() {{ {str(mounted).lower()}; }}
        mountpoint() {{ {str(mounted).lower()}; }}
        for command in mkdir mount umount rmdir checkpath; do
            eval "$command() {{ echo $command \\"\\$*\\"; {"false" if fails else "true"}; }}"
        done
    """
    run = ["/bin/sh", "-euc", f"{stand_ins}\n{script}"]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout


def on_the_host(line: str) -> str:
    """Return the script that a unit runs with all privileges among the host's mounts, where it may fail."""
    prefix = "-+/usr/bin/nsenter --mount=/proc/1/ns/mnt /bin/sh -c '"
    assert line.startswith(prefix)
    return line.removeprefix(prefix).removesuffix("'")


def mount_script(init: str) -> str:
    """Return what mounts the fast path's file system, by either init system."""
    if init == "systemd":
        commands = unit_settings("nat64-tun.service", "auto")["ExecStartPre"]
        (line,) = (each for each in commands if "mount -t bpf" in each)
        return on_the_host(line)
    script = render("nat64/nat64d.openrc.j2")
    (name,) = re.findall(r"^bpffs=.*$", script, re.MULTILINE)
    (function,) = re.findall(r"^mount_bpffs\(\) \{$.*?^\}$", script, re.MULTILINE | re.DOTALL)
    return f"{name}\n{function}\nmount_bpffs"


@pytest.mark.parametrize("init", ["systemd", "openrc"])
def test_the_fast_paths_file_system_is_mounted_once(init: str, tmp_path: Path) -> None:
    script = mount_script(init)
    done = mounts(script, tmp_path, mounted=False).splitlines()
    assert done[-1] == "mount -t bpf -o nosuid,nodev,noexec,mode=0755 bpf /run/nat64-bpf"
    assert mounts(script, tmp_path, mounted=True) == ""


@pytest.mark.parametrize("init", ["systemd", "openrc"])
def test_a_kernel_without_bpf_is_asked_for_no_such_file_system(init: str, tmp_path: Path) -> None:
    assert mounts(mount_script(init), tmp_path, mounted=False, kernel="nodev\tsysfs\n") == ""


def test_openrc_starts_the_translator_also_where_the_file_system_cannot_be_mounted(tmp_path: Path) -> None:
    assert "checkpath" in mounts(mount_script("openrc"), tmp_path, mounted=False, fails=True)


@pytest.mark.parametrize("fast_path", ["auto", "off"])
def test_stopping_takes_the_file_system_away_also_after_the_fast_path_was_turned_off(
    fast_path: str, tmp_path: Path
) -> None:
    (line,) = unit_settings("nat64-tun.service", fast_path)["ExecStopPost"]
    script = on_the_host(line)
    assert mounts(script, tmp_path, mounted=True).splitlines() == [
        "umount /run/nat64-bpf",
        "rmdir /run/nat64-bpf",
    ]
    assert mounts(script, tmp_path, mounted=False) == ""
    assert re.search(
        r"unmount_bpffs( |$)", render("nat64/nat64d.openrc.j2", nat64_fast_path=fast_path), re.MULTILINE
    )


def test_tos_is_written_only_where_it_is_not_copied() -> None:
    assert "\ntos " not in render("nat64/nat64.conf.j2")
    assert "\ntos 0\n" in render("nat64/nat64.conf.j2", nat64_tos="0")


def test_further_prefixes_have_their_pools_maps_and_routes() -> None:
    maps = [{"ipv4": "192.0.2.80", "ipv6": "2001:db8:1::80", "prefix": "2001:db8:65:ff9b::/96"}]
    lines = render(
        "nat64/nat64.conf.j2", nat64_further_prefixes=FURTHER, nat64_maps=maps, nat64_hairpin="simple"
    ).splitlines()
    first = lines.index("prefix 64:ff9b::/96")
    assert first < lines.index("prefix 2001:db8:64:ff9b::/96 pool 192.168.224.0/20")
    assert first < lines.index("prefix 2001:db8:65:ff9b::/96")
    assert "map 192.0.2.80 2001:db8:1::80 prefix 2001:db8:65:ff9b::/96" in lines
    assert "hairpin simple" in lines
    for routed in ("2001:db8:64:ff9b::/96", "192.168.224.0/20", "2001:db8:65:ff9b::/96"):
        assert f"tun-route {routed}" in lines


def test_accept_ra_is_set_before_forwarding() -> None:
    lines = render("nat64/sysctl.conf.j2").splitlines()
    assert lines.index("net/ipv6/conf/eth0/accept_ra = 2") < lines.index("net/ipv6/conf/all/forwarding = 1")


def test_a_host_keeps_its_own_unique_local_address() -> None:
    def address(host: str) -> str:
        config = render("nat64/nat64.conf.j2", inventory_hostname=host)
        (line,) = re.findall(r"^ipv6-addr (.*)$", config, re.MULTILINE)
        return str(line)

    assert address("one") == address("one") != address("two")
    assert re.fullmatch(r"fd[0-9a-f]{2}(:[0-9a-f]{1,4}){2}::64", address("one"))


@pytest.mark.parametrize(
    ("pool", "first"),
    [("192.168.240.0/20", "192.168.240.1"), ("10.0.0.128/25", "10.0.0.129"), ("100.64.0.0/10", "100.64.0.1")],
)
def test_the_translators_address_is_the_pools_first(pool: str, first: str) -> None:
    assert f"\nipv4-addr {first}\n" in render("nat64/nat64.conf.j2", nat64_pool=pool)


def test_what_ifupdown_runs_is_sound_shell(tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text(render("nat64/ifupdown-hook.sh.j2"))
    shellcheck = Path(sys.executable).with_name("shellcheck")
    checked = subprocess.run([shellcheck, hook], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize(
    ("environment", "left"),
    [
        pytest.param({"IFACE": "eth0", "ADDRFAM": "inet6"}, "2", id="ifupdown"),
        pytest.param({"IFACE": "eth0", "ADDRFAM": "inet"}, "1", id="ifupdown-of-the-other-family"),
        pytest.param({"IFACE": "eth0", "METHOD": "none"}, "2", id="ifupdown-ng-tells-no-family"),
        pytest.param({"IFACE": "eth1", "METHOD": "none"}, "1", id="of-another-interface"),
    ],
)
def test_the_hook_keeps_the_uplinks_default_route(
    environment: dict[str, str], left: str, tmp_path: Path
) -> None:
    accept_ra = tmp_path / environment["IFACE"] / "accept_ra"
    accept_ra.parent.mkdir()
    accept_ra.write_text("1\n")
    hook = render("nat64/ifupdown-hook.sh.j2").replace("/proc/sys/net/ipv6/conf", str(tmp_path))
    # No solicitation is sent.
    hook = hook.replace('python3 - "$IFACE"', "cat >/dev/null")
    subprocess.run(["/bin/sh", "-c", hook], env=environment | {"PATH": "/usr/bin:/bin"}, check=True)
    assert accept_ra.read_text().strip() == left


@pytest.mark.parametrize(
    ("hook", "needs"), [("none", []), ("preup", ["net.nat64"]), ("tuntap", ["net.nat64"])]
)
def test_the_init_script_needs_no_service_but_the_tuns(hook: str, needs: list[str]) -> None:
    # Debian's OpenRC runs the scripts of sysvinit, and has none called localmount.
    script = render("nat64/nat64d.openrc.j2", __nat64_host=FACTS["__nat64_host"] | {"netifrc": hook})
    assert re.findall(r"^\s+need (.*)$", script, re.MULTILINE) == needs


@pytest.mark.parametrize("hook", ["none", "preup", "tuntap"])
@pytest.mark.parametrize("fast_path", ["auto", "off"])
def test_the_init_script_is_sound_whoever_makes_the_tun(hook: str, fast_path: str, tmp_path: Path) -> None:
    script = tmp_path / "nat64d"
    host = FACTS["__nat64_host"] | {"netifrc": hook}
    script.write_text(render("nat64/nat64d.openrc.j2", __nat64_host=host, nat64_fast_path=fast_path))
    shellcheck = Path(sys.executable).with_name("shellcheck")
    checked = subprocess.run(
        [shellcheck, "--shell=busybox", "--exclude=SC2034,SC2154", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize(
    ("family", "package"), [("Debian", "libbpf1"), ("Alpine", "libbpf"), ("Gentoo", "dev-libs/libbpf")]
)
def test_libbpf_is_what_the_distribution_calls_it(family: str, package: str) -> None:
    assert value("nat64", "__nat64_libbpf_package", family) == package
