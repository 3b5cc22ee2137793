"""The cache of root file systems: when it is rebuilt, and what an interrupted build leaves."""

import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import debian_build, machine, package_index, recipe, rootfs
from lab.errors import LabError
from lab.platforms import platform_named
from lab.rootfs import Cached


def test_the_stamp_follows_the_packages_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = recipe.stamp()
    assert recipe.stamp() == stamp
    monkeypatch.setattr(recipe, "PEER_PACKAGES", (*recipe.PEER_PACKAGES, "mtr-tiny"))
    assert recipe.stamp() != stamp


def _pretend_to_build(directory: Path) -> None:
    (directory / "root").mkdir()


def _image(build: Callable[[Path], object] = _pretend_to_build, stamp: str = "0a1") -> Cached:
    return Cached("gentoo", stamp, build)


def test_what_is_built_is_built_once(tmp_path: Path) -> None:
    builds: list[Path] = []
    first = rootfs.cached(tmp_path / "cache", _image(builds.append))
    assert rootfs.cached(tmp_path / "cache", _image(builds.append)) == first
    assert len(builds) == 1


def test_only_the_platform_that_is_asked_for_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian_build, "build_debian12_and_peers", _pretend_to_build)
    monkeypatch.setattr(
        debian_build, "build", lambda _made_of, _image, directory: _pretend_to_build(directory)
    )
    for platform, built in (("debian12", []), ("debian13", ["debian13"])):
        rootfs.ready(tmp_path / platform, platform_named(platform))
        names = {entry.name.rpartition("-")[0] for entry in (tmp_path / platform).iterdir() if entry.is_dir()}
        assert names == {"rootfs", *built}


def test_a_failed_build_leaves_no_half_cache(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        _pretend_to_build(directory)
        raise LabError("no network")

    with pytest.raises(LabError, match="no network"):
        rootfs.cached(tmp_path, _image(fail))
    directory = rootfs.cached(tmp_path, _image())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [directory.name, "gentoo.lock"]


def test_a_second_lab_waits_while_the_first_builds_the_same_and_does_not_build_again(tmp_path: Path) -> None:
    building, builds = threading.Event(), []

    def slowly(directory: Path) -> None:
        builds.append(directory)
        building.set()
        time.sleep(0.3)
        _pretend_to_build(directory)

    with ThreadPoolExecutor() as threads:
        first = threads.submit(rootfs.cached, tmp_path, _image(slowly))
        assert building.wait(10)
        second = threads.submit(rootfs.cached, tmp_path, _image(slowly))
        assert (first.result(30) / "root").is_dir()
        assert second.result(30) == first.result()
    assert len(builds) == 1


def test_older_versions_are_removed_when_no_lab_uses_them_and_other_platforms_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gentoo-01d", "gentoo-05ed", "gentoo-systemd-01d"):
        (tmp_path / name / "root").mkdir(parents=True)
    monkeypatch.setattr(rootfs, "in_use", lambda directory: directory.name == "gentoo-05ed")
    rootfs.cached(tmp_path, _image())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "gentoo-05ed",
        "gentoo-0a1",
        "gentoo-systemd-01d",
        "gentoo.lock",
    ]


def test_a_cache_path_that_an_overlay_cannot_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="NAT64_LAB_CACHE"):
        rootfs.cached(tmp_path / "a:b", _image())


def test_the_cache_is_removed_whole_but_for_what_is_not_the_labs(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "rootfs-abc" / "base").mkdir(parents=True)
    rootfs.remove(cache)
    assert not cache.exists()
    rootfs.remove(cache)
    (cache / "rootfs-abc").mkdir(parents=True)
    (cache / "precious").touch()
    rootfs.remove(cache)
    assert [entry.name for entry in cache.iterdir()] == ["precious"]


def test_a_cache_that_a_lab_runs_from_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rootfs-abc").mkdir()
    monkeypatch.setattr(rootfs, "in_use", lambda _: True)
    with pytest.raises(LabError, match="take it down first"):
        rootfs.remove(tmp_path)
    assert (tmp_path / "rootfs-abc").is_dir()


def test_the_cache_is_among_the_users_caches_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAT64_LAB_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert rootfs.cache_directory() == Path("/caches/nat64-lab")
    monkeypatch.setenv("NAT64_LAB_CACHE", "/elsewhere")
    assert rootfs.cache_directory() == Path("/elsewhere")


def test_the_repositorys_index_describes_its_packages(tmp_path: Path) -> None:
    control = tmp_path / "package/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text(
        "Package: thing\nVersion: 1:2.0\nArchitecture: all\nMaintainer: A <a@thing.example>\nDescription: thing\n",
        encoding="utf-8",
    )
    repository = tmp_path / "repository"
    repository.mkdir()
    deb = repository / "thing_1%3a2.0_all.deb"
    subprocess.run(["dpkg-deb", "--build", control.parent.parent, deb], check=True, capture_output=True)
    package_index.write_index(repository)
    digest = subprocess.run(["sha256sum", deb], check=True, capture_output=True, text=True).stdout.split()[0]
    packages = (repository / "Packages").read_text(encoding="utf-8")
    assert "Package: thing\n" in packages
    assert f"\nFilename: ./thing_1%3a2.0_all.deb\nSize: {deb.stat().st_size}\nSHA256: {digest}\n" in packages
    index_digest = subprocess.run(
        ["sha256sum", repository / "Packages"], check=True, capture_output=True, text=True
    ).stdout.split()[0]
    assert f" {index_digest} {len(packages)} Packages\n" in (repository / "Release").read_text(
        encoding="utf-8"
    )


def test_missing_tools_are_named_by_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda tool: None if tool in {"nc", "mmdebstrap"} else f"/bin/{tool}")
    with pytest.raises(LabError, match=r"apt-get install mmdebstrap netcat-openbsd$"):
        machine.check()


def test_every_tool_is_in_the_list_that_setup_installs() -> None:
    listed = {
        line.split("#")[0].strip()
        for line in Path(machine.__file__)
        .with_name("requirements-debian.txt")
        .read_text(encoding="utf-8")
        .splitlines()
    }
    assert set(machine.TOOLS.values()) <= listed | {"util-linux"}  # essential: always there


def test_only_root_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="sudo"):
        machine.check()


def test_a_machine_without_room_for_another_lab_is_told_before_anything_is_booted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "_inotify_instances_of_root", lambda: 0)
    machine.check_room(1)
    with pytest.raises(LabError, match=r"inotify.*take another lab down"):
        machine.check_room(10**9)
