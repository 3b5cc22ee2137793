"""The fast path's program on a device: attached, replaced, seen and taken away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.fast_path import built
from tests.lab.namespaces import Namespace, namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BEGIN: Final = """
import json, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from nat64.device.fast_path import attachment, program
def load():
    return program.load(program.Sizes(1, 1, 1), object_file=Path(sys.argv[1]).read_bytes())
def told():
    found = attachment.attached("nat64")
    return None if found is None else [found.program_id, found.tag.hex()]
"""


@pytest.fixture
def gateway() -> Iterator[Namespace]:
    with namespaces("gateway") as (space,):
        space.run("ip", "tuntap", "add", "mode", "tun", "name", "nat64")
        space.run("ip", "link", "set", "nat64", "up")
        yield space


def _run(gateway: Namespace, tmp_path: Path, script: str) -> Any:  # noqa: ANN401 - what the script says
    compiled = tmp_path / "fast_path.bpf.o"
    compiled.write_bytes(built.object_file())
    return json.loads(gateway.python(_BEGIN + script, str(compiled), str(built.ROOT)).stdout)


def test_it_stays_when_its_loader_is_gone_and_is_told_by_number_and_tag(
    gateway: Namespace, tmp_path: Path
) -> None:
    tag = _run(
        gateway,
        tmp_path,
        "one = load(); attachment.attach('nat64', one.descriptor)\n"
        "print(json.dumps(program.tag(one.descriptor).hex()))",
    )

    number, found = _run(gateway, tmp_path, "print(json.dumps(told()))")

    assert number > 0
    assert found == tag


def test_another_takes_its_place(gateway: Namespace, tmp_path: Path) -> None:
    first, second, filters = _run(
        gateway,
        tmp_path,
        "found = []\n"
        "for _ in range(2):\n"
        "    one = load(); attachment.attach('nat64', one.descriptor); found.append(told())\n"
        "from pyroute2 import IPRoute\n"
        "import socket\n"
        "there = [one['handle'] for one in IPRoute().get_filters(index=socket.if_nametoindex('nat64'), parent=0xfffffff3)]\n"
        "print(json.dumps([*found, there]))",
    )

    assert first[0] != second[0]
    assert [handle for handle in filters if handle] == [1]


def test_it_is_taken_away_and_what_others_attached_stays(gateway: Namespace, tmp_path: Path) -> None:
    answer = _run(
        gateway,
        tmp_path,
        "one = load(); attachment.attach('nat64', one.descriptor)\n"
        "from pyroute2 import IPRoute\n"
        "import socket\n"
        "netlink, index = IPRoute(), socket.if_nametoindex('nat64')\n"
        "netlink.tc('add-filter', 'bpf', index, handle=1, parent=0xfffffff3, prio=1, protocol=3, fd=one.descriptor,"
        " name='theirs', direct_action=True)\n"
        "answer = [attachment.detach('nat64'), told(), attachment.detach('nat64')]\n"
        "names = [one.get_attr('TCA_OPTIONS').get_attr('TCA_BPF_NAME')"
        " for one in netlink.get_filters(index=index, parent=0xfffffff3) if one['handle']]\n"
        "print(json.dumps([answer, names]))",
    )

    assert answer == [[True, None, False], ["theirs"]]


def test_nothing_is_attached_to_a_device_that_is_new(gateway: Namespace, tmp_path: Path) -> None:
    assert _run(gateway, tmp_path, "print(json.dumps([told(), attachment.detach('nat64')]))") == [None, False]


@pytest.mark.parametrize(
    "action", ["attach('nothere', load().descriptor)", "detach('nothere')", "attached('nothere')"]
)
def test_a_device_that_is_not_there_is_told_in_one_line(
    gateway: Namespace, tmp_path: Path, action: str
) -> None:
    told = _run(
        gateway,
        tmp_path,
        f"try: attachment.{action}\nexcept program.FastPathError as error: print(json.dumps(str(error)))",
    )

    assert told.endswith("nothere: No such device; create it: nat64d --mktun")


def test_without_the_privilege_the_reason_names_it(gateway: Namespace, tmp_path: Path) -> None:
    told = _run(
        gateway,
        tmp_path,
        "import ctypes\n"
        "one = load()\n"
        "libc = ctypes.CDLL(None)\n"
        "header, none = (ctypes.c_uint32 * 2)(0x20080522), (ctypes.c_uint32 * 6)()\n"
        "assert libc.capset(header, none) == 0\n"
        "try: attachment.attach('nat64', one.descriptor)\n"
        "except program.FastPathError as error: print(json.dumps(str(error)))",
    )

    assert (
        told
        == "cannot attach the fast path to nat64: Operation not permitted; run as root or with CAP_NET_ADMIN"
    )
