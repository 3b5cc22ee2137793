"""The platforms that the gateway can be."""

from pathlib import Path

import pytest

from lab import guest_files, recipe
from lab.errors import LabError
from lab.platforms import DEBIAN12, PLATFORMS, Platform, platform_named
from lab.topology import IN_LINE


def test_an_unknown_platform_is_refused_with_those_there_are() -> None:
    with pytest.raises(LabError, match=r"no platform 'slackware'.*debian12, debian13, debian-openrc"):
        platform_named("slackware")


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
def test_only_a_host_with_systemd_gets_units(platform: Platform, tmp_path: Path) -> None:
    guest_files.write(IN_LINE.host_named("gateway"), tmp_path, "", platform)
    assert (tmp_path / "etc/systemd").exists() == (platform.init.name == "systemd")


def test_a_tree_is_copied_with_its_links_and_its_scripts_can_be_run(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "init.d").mkdir(parents=True)
    script = source / "init.d/net.lo"
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    script.chmod(0o700)
    (source / "init.d/net.lan0").symlink_to("net.lo")
    guest_files.copy_tree(source, target)
    assert (target / "init.d/net.lan0").readlink() == Path("net.lo")
    assert (target / "init.d/net.lo").stat().st_mode & 0o777 == 0o755
    guest_files.copy_tree(source, target)  # a second tree may hold the same links


def test_a_stamp_follows_the_files_of_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "IMAGES", tmp_path)
    made_of = recipe.DEBIAN["debian13"]
    bare = made_of.stamp("debian13")
    file = tmp_path / "debian13/root/etc/motd"
    file.parent.mkdir(parents=True)
    file.write_text("one\n", encoding="utf-8")
    one = made_of.stamp("debian13")
    file.write_text("two\n", encoding="utf-8")
    assert len({bare, one, made_of.stamp("debian13")}) == 3


def test_the_default_gateway_is_the_one_the_peers_are_made_from() -> None:
    assert DEBIAN12.name not in recipe.DEBIAN
