"""How role platform knows what is installed, from what each package manager lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROLE = Path(__file__).parents[3] / "roles/platform"
LISTS = {
    "Debian": (
        "installed bind9\nconfig-files nftables\nnot-installed radvd\ninstalled libjson-c5\n",
        ["bind9", "libjson-c5"],
    ),
    "Alpine": ("musl\nbind-tools\npy3-setuptools\n", ["musl", "bind-tools", "py3-setuptools"]),
    "Gentoo": (
        (
            "/var/db/pkg/net-dns/bind-9.18.37-r1\n"
            "/var/db/pkg/net-dns/bind-tools-9.18.37\n"
            "/var/db/pkg/media-libs/libfoo-3g-1.2_rc1-r2\n"
            "/var/db/pkg/net-misc/radvd-2.20\n"
            "/var/db/pkg/net-misc/-MERGING-dhcpcd-10.2.4\n"
        ),
        ["net-dns/bind", "net-dns/bind-tools", "media-libs/libfoo-3g", "net-misc/radvd"],
    ),
}


@pytest.mark.parametrize("family", LISTS)
def test_what_is_installed_is_read_by_name(family: str) -> None:
    pattern = YAML(typ="safe").load(ROLE / f"vars/{family}.yml")["__platform_listed"]
    text, names = LISTS[family]
    # As Ansible's filter regex_findall with multiline=true.
    assert re.findall(pattern, text, re.MULTILINE) == names


@pytest.mark.parametrize("family", LISTS)
def test_each_platform_is_called_the_same_things(family: str) -> None:
    yaml = YAML(typ="safe")
    found = set(yaml.load(ROLE / f"vars/{family}.yml"))
    assert found == set(yaml.load(ROLE / "vars/Debian.yml"))


@pytest.mark.parametrize("verb", ["install", "remove"])
def test_each_platform_has_its_way_with_packages(verb: str) -> None:
    yaml = YAML(typ="safe")
    for family in LISTS:
        name = yaml.load(ROLE / f"vars/{family}.yml")["platform_os"]
        assert (ROLE / f"tasks/{verb}_{name}.yml").is_file()
