"""What role nat64 says where the kernel cannot translate for the translator, before anything is changed."""

from __future__ import annotations

import platform
from dataclasses import replace
from errno import EPERM
from typing import Any

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils import fast_path_host
from ansible_collections.nat64.gateway.plugins.module_utils.fast_path_host import Host, findings, missing

from nat64.device.fast_path import availability

ABLE = Host(
    release="6.1.0-18-amd64",
    byteorder="little",
    filesystems="nodev\tsysfs\nnodev\tbpf\n\text4\n",
    status="Name:\tpython3\nCapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n",
    uid_map="         0          0 4294967295\n",
)
WITHOUT_CAP_BPF = "CapBnd:\t0000007fffffffff\n"  # all that there were before it


def of(host: Host, wanted: str = "require", **more: Any) -> list[str]:  # noqa: ANN401 - whatever the role may say
    settings: dict[str, Any] = {"package": "libbpf1", "libbpf": True, "manage_packages": True}
    return findings(wanted, host, **settings | more)


def test_nothing_is_missing_on_a_host_that_has_all() -> None:
    assert missing(ABLE) == ""
    assert of(ABLE) == []


@pytest.mark.parametrize(
    ("lack", "said"),
    [
        pytest.param({"byteorder": "big"}, "little-endian", id="byte-order"),
        pytest.param({"release": "5.14.21"}, "Linux 5.14.21 is too old", id="old-kernel"),
        pytest.param({"release": "4.19"}, "Linux 4.19 is too old", id="older-kernel"),
        pytest.param({"filesystems": "nodev\tsysfs\nnodev\tbpffoo\n"}, "no BPF", id="kernel-without"),
        pytest.param({"uid_map": "0 100000 65536\n"}, "users of its own", id="unprivileged-container"),
        pytest.param({"status": WITHOUT_CAP_BPF}, "CAP_BPF", id="container-without-the-capability"),
        pytest.param({"status": ""}, "CAP_BPF", id="no-proc"),
        pytest.param({"refused": EPERM}, "system call bpf", id="container-without-the-system-call"),
    ],
)
def test_what_is_required_and_cannot_be_is_refused_with_a_remedy(lack: dict[str, Any], said: str) -> None:
    host = replace(ABLE, **lack)
    (finding,) = of(host)
    assert finding.startswith("nat64_fast_path: require, and ")
    assert said in finding
    assert finding.endswith(", or set it to auto")
    assert of(host, "auto") == of(host, "off") == []


@pytest.mark.parametrize("release", ["5.15.0", "5.15", "6.0-rc1", "10.2.3"])
def test_a_kernel_that_is_new_enough_is_none_that_is_too_old(release: str) -> None:
    assert missing(replace(ABLE, release=release)) == ""


def test_the_oldest_kernel_is_the_translators() -> None:
    assert fast_path_host.OLDEST == availability.OLDEST


def test_libbpf_must_be_there_where_the_role_may_not_install_it() -> None:
    (finding,) = of(ABLE, libbpf=False, manage_packages=False)
    assert finding.startswith("nat64_manage_packages: ")
    assert "install libbpf1" in finding
    assert of(ABLE, libbpf=False) == of(ABLE, "auto", libbpf=False, manage_packages=False) == []


def test_the_look_at_this_host_is_right_about_it() -> None:
    host = fast_path_host.look()
    assert host.release == platform.release()
    assert host.uid_map.split()
    assert "CapBnd" in host.status
