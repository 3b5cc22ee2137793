"""How a host is booted, found again and told from others."""

import os
import stat
from pathlib import Path

import pytest

from lab import guest_files
from lab.container import Container, Process, descendants, nspawn_arguments
from lab.mounts import parse
from lab.rootfs import RootFs
from lab.topology import IN_LINE, Host, Layer

ROOTFS = RootFs(Path("/cache/rootfs-x/peers"), Path("/cache/rootfs-x/base"), Path("/cache/rootfs-x/packages"))


def test_proc_5_a_command_name_with_blanks_and_parentheses_is_read_right() -> None:
    fields = " ".join(str(number) for number in range(4, 53))
    assert Process.parse(f"42 (a) b (c) S {fields}") == Process(pid=42, parent=4, started=22)


def test_a_reused_pid_is_not_taken_for_the_process_that_had_it() -> None:
    me = Process.parse(Path("/proc/self/stat").read_text(encoding="utf-8"))
    assert me.pid == os.getpid()
    assert me.is_alive()
    assert not Process(me.pid, me.parent, me.started - 1).is_alive()


def test_a_record_of_a_process_that_is_gone_is_no_running_host(tmp_path: Path) -> None:
    container = Container("lab", IN_LINE.host_named("client"), tmp_path)
    assert container.watcher() is None
    (tmp_path / "process").write_text(
        f"{os.getpid()} (sh) S " + " ".join(["1"] * 18) + " 1 0 0", encoding="utf-8"
    )
    assert container.watcher() is None
    assert container.init() is None


def test_descendants_come_after_their_parents_and_are_only_our_own() -> None:
    ours = Process(10, 1, 0)
    child, grandchild, stranger = Process(20, 10, 0), Process(15, 20, 0), Process(30, 1, 0)
    assert list(descendants(ours, [grandchild, stranger, child, ours])) == [child, grandchild]


@pytest.mark.parametrize("host", IN_LINE.hosts, ids=lambda host: host.name)
def test_each_host_has_a_network_namespace_of_its_own(host: Host) -> None:
    container = Container("x", host, Path("/run/x"))
    arguments = nspawn_arguments(container.host, container.machine_name, ROOTFS, systemd=True)
    assert f"--network-namespace-path=/run/netns/nat64-x-{container.host.name}" in arguments


def test_a_host_may_use_bpf_as_a_machine_of_its_own_could() -> None:
    arguments = nspawn_arguments(IN_LINE.host_named("gateway"), "m", ROOTFS, systemd=False)
    (capabilities,) = (each for each in arguments if each.startswith("--capability="))
    assert "CAP_BPF" in capabilities.partition("=")[2].split(",")
    assert "--system-call-filter=bpf" in arguments


def test_only_without_systemd_a_host_stays_in_the_cgroup_it_was_started_in() -> None:
    gateway = IN_LINE.host_named("gateway")
    assert "--keep-unit" in nspawn_arguments(gateway, "m", ROOTFS, systemd=False)
    assert "--keep-unit" not in nspawn_arguments(gateway, "m", ROOTFS, systemd=True)


def test_only_the_internet_host_has_the_package_repository() -> None:
    bound = [
        host.name
        for host in IN_LINE.hosts
        if any(
            argument.startswith("--bind") for argument in nspawn_arguments(host, "m", ROOTFS, systemd=True)
        )
    ]
    assert bound == ["internet"]


def test_the_gateway_starts_from_a_bare_system() -> None:
    assert [host.name for host in IN_LINE.hosts if host.layer is Layer.BASE] == ["gateway"]


def test_proc_5_octal_escapes_in_mount_points_are_resolved() -> None:
    line = r"36 35 98:0 /a /mnt/with\040blank rw,noatime shared:1 master:2 - ext4 /dev/root rw" + "\n"
    (mount,) = parse(line)
    assert (mount.point, mount.kind) == (Path("/mnt/with blank"), "ext4")


def test_a_hosts_files_are_right_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        guest_files.write(IN_LINE.host_named("isp"), tmp_path, "ssh-ed25519 KEY\n")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "etc").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "etc/resolv.conf").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "root/.ssh").stat().st_mode) == 0o700
    assert (tmp_path / "root/.ssh/authorized_keys").read_text(encoding="utf-8") == "ssh-ed25519 KEY\n"
    radvd = tmp_path / "etc/systemd/system/multi-user.target.wants/radvd.service"
    assert radvd.readlink() == Path("/lib/systemd/system/radvd.service")


def test_a_hosts_own_file_comes_before_the_one_all_have(tmp_path: Path) -> None:
    guest_files.write(IN_LINE.host_named("client"), tmp_path, "")
    assert (tmp_path / "etc/resolv.conf").read_text(encoding="utf-8") == "nameserver 2001:db8:64:1::1\n"


def test_no_two_hosts_have_the_same_machine_id(tmp_path: Path) -> None:
    for name in ("client", "six"):
        guest_files.write(IN_LINE.host_named(name), tmp_path / name, "")
    first, second = (
        (tmp_path / name / "etc/machine-id").read_text(encoding="utf-8") for name in ("client", "six")
    )
    assert first != second
    assert len(first.strip()) == 32
