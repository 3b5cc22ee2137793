"""Which container image a gateway is made of, and when the lab builds it itself."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from lab import rootfs, stock_images
from lab.errors import LabError
from lab.platforms import PLATFORMS, platform_named

if TYPE_CHECKING:
    from pathlib import Path

ALPINE = platform_named("alpine")


@pytest.fixture
def _podman(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda tool: f"/usr/bin/{tool}")


@pytest.fixture
def _no_podman(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)


@pytest.mark.usefixtures("_podman")
def test_the_stock_image_is_the_default_where_there_is_podman() -> None:
    chosen = stock_images.choose(ALPINE, {})
    assert chosen is not None
    assert (chosen.image, chosen.wanted) == ("docker.io/library/alpine:3.22", False)


@pytest.mark.usefixtures("_podman")
def test_an_image_can_be_named_and_nothing_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = stock_images.choose(ALPINE, {"NAT64_IMAGE_ALPINE": "registry.example/alpine:edge"})
    assert chosen is not None
    assert (chosen.image, chosen.wanted) == ("registry.example/alpine:edge", True)
    monkeypatch.setattr(stock_images, "_succeeds", lambda *_: False)
    with pytest.raises(LabError, match=r"NAT64_IMAGE_ALPINE=registry.example/alpine:edge"):
        stock_images.obtainable(chosen)


@pytest.mark.usefixtures("_podman")
def test_the_lab_builds_it_where_it_is_told_to_and_where_there_is_no_such_image() -> None:
    assert stock_images.choose(ALPINE, {"NAT64_IMAGE_ALPINE": "stand-in"}) is None
    assert stock_images.choose(platform_named("debian-openrc"), {}) is None


@pytest.mark.usefixtures("_no_podman")
def test_without_podman_nobody_is_asked_and_a_named_image_is_refused() -> None:
    assert [stock_images.choose(platform, {}) for platform in PLATFORMS] == [None] * len(PLATFORMS)
    with pytest.raises(LabError, match="podman is not installed"):
        stock_images.choose(ALPINE, {"NAT64_IMAGE_ALPINE": "registry.example/alpine:edge"})


@pytest.mark.usefixtures("_podman")
def test_a_registry_that_does_not_answer_is_given_up_after_a_bounded_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timeouts = []

    def silent(command: list[str], *, timeout: float, **_: object) -> None:
        timeouts.append(timeout)
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", silent)
    chosen = stock_images.choose(ALPINE, {})
    assert chosen is not None
    assert not stock_images.obtainable(chosen)
    assert max(timeouts) < 15


@pytest.mark.usefixtures("_podman")
def test_what_was_made_of_an_image_is_used_without_asking_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.debian_build.build_debian12_and_peers", lambda _: None)
    monkeypatch.setattr(stock_images, "build", lambda _stock, directory: (directory / "root").mkdir())
    monkeypatch.setattr(stock_images, "_succeeds", lambda *_: True)
    first = rootfs.ready(tmp_path, ALPINE)
    monkeypatch.setattr(stock_images, "_succeeds", lambda *_: pytest.fail("asked again"))
    assert rootfs.ready(tmp_path, ALPINE) == first
    assert first.gateway.parent.name.startswith("alpine-stock-")


def test_each_stock_image_has_a_containerfile() -> None:
    for platform, image in stock_images.STOCK.items():
        stock = stock_images.StockImage(platform, image, wanted=False)
        assert stock.containerfile.read_text(encoding="utf-8").count("FROM ${BASE}") == 1
