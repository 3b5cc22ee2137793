"""The ebuilds, by the real Portage and pkgcheck; Gentoo's eclasses, profiles and other packages are stand-ins."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.packages.gentoo_tree import Tree
from tests.packages.release import build_sources

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parents[2] / "packaging"))

import package_tree

pytestmark = pytest.mark.timeout(300)

VERSION = "0.1.0"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of this tree."""
    return build_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def tree(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The repository, and Portage set up for it."""
    return tree_of(sources, tmp_path_factory.mktemp("gentoo"))


@pytest.fixture(scope="module")
def image(tree: Tree) -> Path:
    """What Portage would merge."""
    return tree.ebuild(f"net-proxy/nat64-{VERSION}", "clean", "test", "install")


def tree_of(sources: Path, directory: Path) -> Tree:
    """Set up the repository of a release."""
    tree = Tree(directory, sources / "gentoo")
    for archive in sources.glob("*.tar.gz"):
        shutil.copy(archive, directory / "distfiles")
    return tree


def test_pkgcheck_finds_nothing(tree: Tree) -> None:
    assert tree.pkgcheck() == ""


@pytest.mark.parametrize(
    ("mistake", "finding"),
    [
        (lambda text: text.replace('SLOT="0"\n', ""), "InvalidSlot"),
        (lambda text: text.replace("dev-libs/libbpf", "dev-libs/no-such-thing"), "NonexistentDeps"),
        (lambda text: text.replace("EAPI=8", "EAPI=6"), "EbuildSemiReservedName"),
    ],
)
def test_pkgcheck_would_find_a_mistake(
    sources: Path, tmp_path: Path, mistake: Callable[[str], str], finding: str
) -> None:
    tree = tree_of(sources, tmp_path)
    (ebuild,) = tree.repository.glob("net-proxy/nat64/*.ebuild")
    ebuild.write_text(mistake(ebuild.read_text()))
    assert finding in tree.pkgcheck()


def test_the_image_has_every_file_of_the_package(image: Path) -> None:
    for path, (template, init) in package_tree.RENDERED["Gentoo"].items():
        assert (image / path).read_text() == package_tree.render_file(template, init, "Gentoo")
        assert bool((image / path).stat().st_mode & 0o100) == ("/init.d/" in path)
    for path, text in package_tree.example_configs().items():
        assert (image / path).read_text() == text
    for page in (
        "man8/nat64d.8",
        "man8/dns64d.8",
        "man8/nat64-clat.8",
        "man1/nat64ctl.1",
        "man5/nat64.conf.5",
        "man5/dns64.conf.5",
    ):
        assert (image / "usr/share/man" / page).stat().st_size


def test_the_commands_run_by_the_python_that_was_chosen(image: Path) -> None:
    for command in ("usr/sbin/nat64d", "usr/sbin/dns64d", "usr/sbin/nat64-clat", "usr/bin/nat64ctl"):
        assert (image / command).read_text().startswith("#!/usr/bin/python3.13 -I\n")
    assert list((image / "usr/lib/nat64/current/lib/nat64/commands/__pycache__").iterdir())


def test_the_fast_path_is_there_unless_its_flag_is_off(sources: Path, image: Path, tmp_path: Path) -> None:
    program = "usr/lib/nat64/current/lib/nat64/device/fast_path/fast_path.bpf.o"
    assert (image / program).stat().st_size
    without = tree_of(sources, tmp_path).ebuild(
        f"net-proxy/nat64-{VERSION}", "clean", "test", "install", USE="-fast-path"
    )
    assert not (without / program).exists()


def test_portage_merges_upgrades_and_unmerges_it(sources: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / Tree.prefix).mkdir(parents=True)
    ours = root / Tree.prefix
    (tmp_path / "now").mkdir()
    (tmp_path / "later").mkdir()
    tree = tree_of(sources, tmp_path / "now")
    merge = ("clean", "merge")
    tree.ebuild(f"net-proxy/nat64-{VERSION}", *merge, ROOT=str(root))
    assert "Neither nat64d nor dns64d is started" in tree.said
    (before,) = {path.name for path in (ours / "usr/lib/nat64").iterdir()} - {"current"}

    (ours / "usr/lib/nat64" / before / "lib/nat64/__pycache__/another.cpython-399.pyc").touch()
    # An upgrade keeps what was written into a config, and leaves no earlier bundle.
    config = ours / "etc/nat64/nat64.conf"
    config.write_text("prefix 2001:db8:64:ff9b::/96\n")
    later = tree_of(build_sources(tmp_path / "sources", "999.0"), tmp_path / "later")
    later.ebuild("net-proxy/nat64-999.0", *merge, ROOT=str(root))
    assert "What runs is still the version before" in later.said
    assert config.read_text() == "prefix 2001:db8:64:ff9b::/96\n"
    (after,) = {path.name for path in (ours / "usr/lib/nat64").iterdir()} - {"current"}
    assert after != before

    # Another Python has run it meanwhile.
    (ours / "usr/lib/nat64" / after / "lib/nat64/__pycache__/another.cpython-399.pyc").touch()
    later.ebuild("net-proxy/nat64-999.0", "unmerge", ROOT=str(root))
    left = [path.relative_to(ours) for path in ours.rglob("*64*") if "var/db" not in str(path)]
    assert {str(path) for path in left} <= {
        "etc/nat64",
        "etc/nat64/nat64.conf",
        "etc/nat64/._cfg0000_nat64.conf",
    }
    assert config.exists()
