"""The collection's archive: what a user needs is in it, and nothing else; the same tree gives the same bytes."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import nat64

PROJECT = Path(__file__).parents[3]
BUNDLE = "roles/bundle/files/nat64-bundle.tar.gz"
# What git does not have and the archive does.
MADE = {"MANIFEST.json", "FILES.json", BUNDLE, f"{BUNDLE}.sha256"}
# What is of use only to those who work on the collection.
OURS_ALONE = re.compile(
    r"(\.|bench/|inventory/lab|lab/|molecule/|nat64/|packaging/|tests/(collection|endurance|fuzz|lab|unit)/)"
    r"|(Makefile|ansible\.cfg|galaxy\.yml|pyproject\.toml|roles/document_variables\.py)$"
)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)[^)]*\)")


def _build(directory: Path) -> Path:
    builder = PROJECT / "packaging" / "build_collection.py"
    subprocess.run([sys.executable, builder, "--directory", directory], check=True, stdout=subprocess.DEVNULL)
    (archive,) = directory.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(tmp_path_factory.mktemp("collection"))


@pytest.fixture(scope="module")
def unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the archive as a user does."""
    place = tmp_path_factory.mktemp("installed")
    install = [sys.executable, "-m", "ansible", "galaxy", "collection", "install", "--no-deps", "--offline"]
    subprocess.run([*install, "-p", place, archive], check=True, capture_output=True, cwd=place)
    return place / "ansible_collections" / "nat64" / "gateway"


def test_the_same_tree_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    assert _build(tmp_path).read_bytes() == archive.read_bytes()


def test_it_holds_what_git_has_for_users_and_the_bundle(archive: Path) -> None:
    with tarfile.open(archive) as members:
        held = {member.name for member in members if not member.isdir()}
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    tracked = {name for name in listed.stdout.split("\0") if name and (PROJECT / name).exists()}
    untracked = held - tracked - MADE
    assert held - untracked == {name for name in tracked if not OURS_ALONE.match(name)} | MADE
    # What is neither in git nor ignored by it may be about to be added.
    ignored = subprocess.run(
        ["git", "check-ignore", "--stdin"],
        cwd=PROJECT,
        input="\n".join(untracked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ignored.stdout == ""


def test_it_carries_the_bundle_with_its_digest(unpacked: Path) -> None:
    digest, name = (unpacked / f"{BUNDLE}.sha256").read_text().split()
    assert hashlib.sha256((unpacked / BUNDLE).read_bytes()).hexdigest() == digest
    assert name == Path(BUNDLE).name


def test_every_role_reaches_its_templates(unpacked: Path) -> None:
    for templates in (unpacked / "templates").iterdir():
        role = unpacked / "roles" / templates.name
        assert (role / "templates").resolve() == templates.resolve()


def test_every_link_in_its_pages_leads_to_a_file_that_it_holds(unpacked: Path) -> None:
    pages = [*unpacked.glob("*.md"), *unpacked.glob("docs/**/*.md"), *unpacked.glob("roles/*/README.md")]
    assert pages
    for page in pages:
        for target in LINK.findall(page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(unpacked)} links to {target}"


def test_collection_and_package_have_one_version() -> None:
    assert YAML(typ="safe").load(PROJECT / "galaxy.yml")["version"] == nat64.__version__


def test_a_released_version_is_in_the_changelog() -> None:
    releases = YAML(typ="safe").load(PROJECT / "changelogs" / "changelog.yaml")["releases"]
    changelog = (PROJECT / "CHANGELOG.md").read_text().replace("\\", "")
    assert [version for version in releases if f"## v{version}\n" not in changelog] == []


@pytest.mark.parametrize("core", range(16, 22))
def test_sanity_ignores_what_the_collection_means(core: int) -> None:
    """Each release of ansible-test reads a file of its own, and refuses one that names a file that there is not."""
    lines = (PROJECT / "tests" / "sanity" / f"ignore-2.{core}.txt").read_text().splitlines()
    assert [line for line in lines if " # " not in line] == []
    entries = [tuple(line.split(" ")[:2]) for line in lines]
    modules = [str(path.relative_to(PROJECT)) for path in PROJECT.glob("plugins/modules/*.py")]
    scripts = [str(path.relative_to(PROJECT)) for path in PROJECT.glob("templates/*/*.openrc.j2")]
    assert sorted(path for path, test in entries if test.startswith("validate-modules")) == sorted(modules)
    assert sorted(path for path, test in entries if test == "shebang") == sorted(scripts)
