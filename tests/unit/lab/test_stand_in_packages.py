"""The packages of the stand-ins: what they are made of, and what apk and emerge do with them.

What apk and emerge have in common runs for real, by the shell; they themselves run in tests/lab.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab import recipe, stand_in_packages
from lab.stand_in_packages import Deb, is_debians_own, plan, read_deb, write_repository

ALPINE = recipe.STAND_IN["alpine"]
LIBRARY = recipe.IMAGES / "stand-in/root/usr/lib/stand-in/packages.sh"


def deb(name: str, *needs: str, version: str = "1:2.3.4-5+deb13u1", provides: tuple[str, ...] = ()) -> Deb:
    groups = tuple(tuple(group.split("|")) for group in needs)
    return Deb(Path(f"{name}.deb"), name, version, groups, provides, f"the {name}", "")


def test_what_a_deb_says_of_itself_is_read(tmp_path: Path) -> None:
    file = build_deb(tmp_path, "thing", {"usr/bin/thing": "x"}, depends="libc6 (>= 2.3), debconf | cdebconf")
    read = read_deb(file)
    assert (read.name, read.version) == ("thing", "1:2.0-1")
    assert read.needs == (("libc6",), ("debconf", "cdebconf"))


@pytest.mark.parametrize(
    ("path", "debians"),
    [
        ("./lib/systemd/system/named.service", True),
        ("./etc/init.d/named", True),
        ("./etc/bind/named.conf", True),
        ("./etc/default/named", True),
        ("./usr/share/doc/bind9/README", True),
        ("./usr/sbin/named", False),
        ("./usr/lib/x86_64-linux-gnu/systemd.so", False),
        ("./etc/ssl/openssl.cnf", False),
    ],
)
def test_only_what_serves_debian_alone_is_left_out(path: str, *, debians: bool) -> None:
    assert is_debians_own(path) is debians


def test_units_stay_where_systemd_is_the_init_system() -> None:
    assert not is_debians_own("./usr/lib/systemd/system/dbus.service", units=True)


def test_debs_are_gathered_under_the_real_distributions_names() -> None:
    debs = [deb("bind9", "libuv1", "bind9-utils", "adduser"), deb("bind9-utils", "libuv1"), deb("libuv1")]
    bind, libuv = plan(debs, {"bind": ("bind9", "bind9-utils")}, ALPINE)
    assert (bind.name, bind.version, bind.needs) == ("bind", "2.3.4-r0", ("libuv1",))
    assert (libuv.name, libuv.needs) == ("libuv1", ())


def test_a_need_is_met_by_what_provides_it() -> None:
    debs = [deb("tool", "libz|libz1"), deb("libz1t64", provides=("libz1",))]
    assert plan(debs, {}, ALPINE)[0].needs == ("libz1t64",)


def test_gentoos_other_packages_are_in_a_category_that_says_where_they_are_from() -> None:
    named, other = plan(
        [deb("radvd", "libdaemon0"), deb("libdaemon0")],
        {"net-misc/radvd": ("radvd",)},
        recipe.STAND_IN["gentoo"],
    )
    assert (named.name, named.needs) == ("net-misc/radvd", ("debian/libdaemon0",))
    assert other.name == "debian/libdaemon0"


def build_deb(directory: Path, name: str, files: dict[str, str], depends: str = "") -> Path:
    tree = directory / name
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text, encoding="utf-8")
    control = f"Package: {name}\nVersion: 1:2.0-1\nArchitecture: all\nMaintainer: A <a@b.example>\n"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        control + (f"Depends: {depends}\n" if depends else "") + "Description: a thing\n", encoding="utf-8"
    )
    file = directory / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, file], check=True, capture_output=True)
    return file


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    debs = [
        build_deb(tmp_path, "libthing", {"usr/lib/libthing.so": "1"}),
        build_deb(
            tmp_path, "thing", {"usr/bin/thing": "x", "etc/thing.conf": "as it came\n"}, depends="libthing"
        ),
    ]
    packages = plan([read_deb(file) for file in debs], {"thing": ("thing",)}, ALPINE)
    image = tmp_path / "image/packages/thing"
    (image / "root/etc/init.d").mkdir(parents=True)
    (image / "root/etc/init.d/thing").write_text("#!/sbin/openrc-run\n", encoding="utf-8")
    (image / "install").write_text("echo made > /etc/thing.user\n", encoding="utf-8")
    write_repository(packages, [tmp_path / "image"], tmp_path / "repository")
    return tmp_path / "repository"


def test_a_package_has_debians_files_and_those_of_the_image(repository: Path) -> None:
    index = (repository / "index").read_text(encoding="utf-8").splitlines()
    fields = {line.split("|")[0]: line.split("|") for line in index}
    assert fields["thing"][1] == "2.0-r0"
    assert fields["thing"][4] == "libthing"
    archive = repository / fields["thing"][3]
    digest = subprocess.run(
        ["sha256sum", archive], check=True, capture_output=True, text=True
    ).stdout.split()[0]
    assert fields["thing"][2] == digest
    listed = subprocess.run(
        ["tar", "-tzf", archive], check=True, capture_output=True, text=True
    ).stdout.split()
    assert {".install", "etc/init.d/thing", "usr/bin/thing", "etc/thing.conf"} <= set(listed)


def told(database: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run shell commands with the functions of packages.sh."""
    prelude = f"database={database} repository=http://127.0.0.1:1 new_suffix=.new\n. {LIBRARY}\n"
    return subprocess.run(["sh", "-c", prelude + script], check=False, capture_output=True, text=True)


def test_needs_come_before_what_needs_them_and_unknown_names_are_told(repository: Path) -> None:
    result = told(repository, "with_needs thing nosuch")  # the index is all that it reads
    assert result.stdout.split() == ["libthing", "thing"]
    assert result.stderr.split() == ["nosuch"]
    assert result.returncode == 1


def test_what_nothing_needs_goes_with_the_last_that_needed_it(tmp_path: Path) -> None:
    for name, needs in (("base", ""), ("dev/libthing", ""), ("thing", "dev/libthing")):
        entry = tmp_path / "installed" / name
        entry.mkdir(parents=True)
        (entry / "version").write_text("1\n", encoding="utf-8")
        (entry / "needs").write_text(f"{needs}\n", encoding="utf-8")
    assert told(tmp_path, "not_needed_by base").stdout.split() == ["thing", "dev/libthing"]
    assert told(tmp_path, "not_needed_by base thing").stdout == ""


def test_an_unreachable_repository_is_a_failure_and_leaves_the_index(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("kept\n", encoding="utf-8")
    assert told(tmp_path, "update_index").returncode == 1
    assert (tmp_path / "index").read_text(encoding="utf-8") == "kept\n"


def test_versions_are_upstreams() -> None:
    assert plan([deb("x", version="1:9.20.30-1~deb13u1")], {}, ALPINE)[0].version == "9.20.30-r0"
    assert stand_in_packages.plan([deb("x", version="20240905")], {}, ALPINE)[0].version == "20240905-r0"
