"""The fast path's program and its maps: how the kernel takes them, what they hold, and how they outlive a daemon."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from nat64.device.errors import DeviceError
from nat64.device.fast_path import availability, contents, layout, program
from nat64.device.fast_path.errors import FastPathError
from nat64.device.fast_path.layout import Outcome
from nat64.device.fast_path.maps import MapFullError
from tests.fast_path import btf, built

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from struct import Struct

_SIZES: Final = program.Sizes(hosts=5000, maps=10, last_used=5000)
_PRIVILEGED: Final = """
import sys
from pathlib import Path
from nat64.device.fast_path import program
content = Path(sys.argv[1]).read_bytes()
loaded = program.load(program.Sizes(10, 10, 10), object_file=content)
loaded.maps.beat(1)
loaded.maps.last_used.times[1] = 1
there = {name: one.descriptor for name, one in loaded.maps.by_name.items()}
print(program.load(program.Sizes(10, 10, 10), object_file=content, maps=there).maps.last_used.times[1] == 1)
"""


@pytest.fixture
def loaded() -> Iterator[program.Program]:
    one = program.load(_SIZES, object_file=built.object_file())
    yield one
    one.close()


def _with_capabilities(capabilities: str, object_file: Path) -> subprocess.CompletedProcess[str]:
    """Load the program with these capabilities alone."""
    return subprocess.run(
        (
            *("setpriv", f"--bounding-set=-all{capabilities}", "--inh-caps=-all"),
            *(sys.executable, "-c", _PRIVILEGED, object_file),
        ),
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(built.ROOT)},
        cwd="/",
    )


@pytest.fixture
def object_path(tmp_path: Path) -> Path:
    path = tmp_path / "fast_path.bpf.o"
    path.write_bytes(built.object_file())
    return path


def test_the_kernel_takes_it_and_its_maps_from_the_capabilities_of_the_hardened_unit(
    object_path: Path,
) -> None:
    run = _with_capabilities(",+net_admin,+bpf", object_path)

    assert run.stdout.endswith("True\n"), run.stderr[-2000:]


def test_without_the_capabilities_the_reason_is_one_line_that_names_them(object_path: Path) -> None:
    run = _with_capabilities("", object_path)

    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert re.search(r"FastPathError: .*; give it CAP_BPF and CAP_NET_ADMIN", last)


def test_a_program_that_the_kernel_refuses_leaves_its_log() -> None:
    # The first call of a helper becomes one of a helper that no kernel has.
    call = struct.pack("<BBhi", 0x85, 0, 0, 160)
    broken = built.object_file().replace(call, struct.pack("<BBhi", 0x85, 0, 0, 99999))
    assert broken != built.object_file()

    with pytest.raises(
        FastPathError, match=r"^the kernel refuses the fast path: .*; Linux 5\.15 or later"
    ) as error:
        program.load(_SIZES, object_file=broken)

    assert "99999" in error.value.log


def test_an_object_that_is_none_is_told_in_one_line() -> None:
    with pytest.raises(
        FastPathError, match=r"^libbpf cannot read the fast path's object: .*; install a later"
    ):
        program.load(_SIZES, object_file=b"no object")


def test_an_object_of_another_version_is_told_in_one_line() -> None:
    other = built.object_file().replace(b"\0budgets\0", b"\0deficit\0")
    assert other != built.object_file()
    with pytest.raises(FastPathError, match=r"object has no map 'budgets', .*; build nat64 anew"):
        program.load(_SIZES, object_file=other)


def test_nothing_is_missing_where_it_can_be_loaded() -> None:
    assert availability.missing() is None


def _offsets(of: Struct) -> list[int]:
    """Return where the fields begin."""
    fields = [
        letter
        for count, letter in re.findall(r"(\d*)([a-zA-Z])", of.format)
        for letter in ([f"{count}s"] if letter == "s" else [letter] * int(count or 1))
    ]
    return [struct.calcsize("=" + "".join(fields[:number])) for number in range(len(fields))]


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("settings", layout.SETTINGS),
        ("prefix", layout.PREFIX),
        ("host6_key", layout.HOST6_KEY),
        ("host6", layout.HOST6),
        ("host4", layout.HOST4),
        ("map6_key", layout.MAP6_KEY),
        ("map4_key", layout.MAP4_KEY),
        ("network_map", layout.NETWORK_MAP),
    ],
)
def test_keys_and_values_are_the_same_in_c_and_in_python(name: str, packed: Struct) -> None:
    types = btf.read(built.object_file())

    assert types.sizes[name] == packed.size
    assert sorted(types.offsets[name].values()) == _offsets(packed)


def test_numbers_mean_the_same_in_c_and_in_python() -> None:
    numbers = btf.read(built.object_file()).numbers

    assert numbers["outcome"] == {one.name: one.value for one in Outcome} | {"OUTCOMES": len(Outcome)}
    assert numbers["settings_flag"] == {one.name: one.value for one in layout.SettingsFlag}
    source = (built.ROOT / "nat64" / "device" / "fast_path" / "map_layout.h").read_text()
    for name in ("LAYOUT", "MOST_PREFIXES", "ANY_PREFIX", "NOT_LEASED"):
        (number,) = re.findall(rf"^#define {name}\s+(\w+?)U?\s", source, re.MULTILINE)
        assert int(number, 0) == getattr(layout, name)


def test_each_outcome_has_a_meaning() -> None:
    assert layout.MEANINGS.keys() == set(Outcome)


def test_the_same_sources_give_the_same_object() -> None:
    first = built.object_file()
    built.object_file.cache_clear()

    assert built.object_file() == first
    assert str(built.ROOT).encode() not in first


# Maps


def test_thousands_of_entries_are_written_and_read_at_once(loaded: program.Program) -> None:
    hosts = loaded.maps["hosts4"]
    entries = {number.to_bytes(4, "big"): layout.HOST4.pack(bytes(16), number, 0) for number in range(4500)}

    hosts.update_many(list(entries.items()))

    assert dict(hosts.items()) == entries


def test_many_leases_are_put_at_once_and_taken_back(loaded: program.Program) -> None:
    leases = [
        contents.lease_entries(number.to_bytes(16, "big"), number.to_bytes(4, "big"), 0, number)
        for number in range(1, 4501)
    ]

    loaded.maps.put_many(entry for lease in leases for entry in lease)

    for name in ("hosts4", "hosts6"):
        expected = {entry.key: entry.value for lease in leases for entry in lease if entry.map_name == name}
        assert dict(loaded.maps[name].items()) == expected
    loaded.maps.remove(leases[0])
    assert loaded.maps["hosts4"].lookup(leases[0][0].key) is None
    assert loaded.maps["hosts6"].lookup(leases[0][1].key) is None
    loaded.maps.remove(leases[0])


def test_an_entry_is_replaced_and_deleted(loaded: program.Program) -> None:
    maps = loaded.maps["maps6"]
    key = layout.MAP6_KEY.pack(96, 0, bytes(16))
    maps.update(key, bytes(32))
    maps.update(key, b"\1" * 32)

    assert list(maps.items()) == [(key, b"\1" * 32)]
    assert maps.lookup(layout.MAP6_KEY.pack(160, 0, bytes(16))) == b"\1" * 32
    assert maps.delete(key)
    assert not maps.delete(key)
    assert maps.lookup(key) is None


def test_a_full_map_says_so(loaded: program.Program) -> None:
    hosts = loaded.maps["hosts4"]
    hosts.update_many([(number.to_bytes(4, "big"), bytes(24)) for number in range(_SIZES.hosts)])

    with pytest.raises(MapFullError, match=r"^the fast path's map hosts4 is full; ") as error:
        hosts.update(b"more", bytes(24))
    assert isinstance(error.value, DeviceError)

    with pytest.raises(MapFullError, match=r"^the fast path's map hosts4 is full; "):
        hosts.update_many([(b"more", bytes(24))])


@pytest.mark.parametrize(("key", "value"), [(b"key", bytes(24)), (b"host", bytes(23)), (b"hosts", bytes(24))])
def test_a_key_or_a_value_of_another_length_never_reaches_the_kernel(
    loaded: program.Program, key: bytes, value: bytes
) -> None:
    hosts = loaded.maps["hosts4"]

    with pytest.raises(ValueError, match=r"^a key or a value of another length than the map hosts4 has$"):
        hosts.update(key, value)
    with pytest.raises(ValueError, match=r"^a key or a value of another length"):
        hosts.update_many([(key, value)])

    assert not list(hosts.items())


def test_times_are_seen_as_they_are_written(loaded: program.Program) -> None:
    loaded.maps.last_used.times[4999] = 77

    assert loaded.maps["last_used"].lookup(layout.INDEX.pack(4999)) == layout.NANOSECONDS.pack(77)


# Kept by pins


@pytest.fixture
def bpffs(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "bpf", "bpf", tmp_path], check=True)
    directory = tmp_path / "nat64"
    directory.mkdir()
    yield directory
    subprocess.run(["umount", tmp_path], check=True)


def test_the_next_daemon_takes_over_what_is_pinned(loaded: program.Program, bpffs: Path) -> None:
    loaded.pin(bpffs)
    loaded.maps["hosts4"].update(b"host", b"\1" * 24)
    loaded.maps.last_used.times[7] = 77
    loaded.maps["settings"].update(
        layout.INDEX.pack(0), layout.LAYOUT.to_bytes(4, "little") + bytes(layout.SETTINGS.size - 4)
    )
    number = program.tag(loaded.descriptor)
    loaded.close()

    adopted = program.adopt(bpffs)

    assert adopted.maps["hosts4"].lookup(b"host") == b"\1" * 24
    assert adopted.maps.last_used.times[7] == 77
    assert adopted.maps.layout() == layout.LAYOUT
    assert program.tag(adopted.descriptor) == number
    adopted.close()


def test_what_is_pinned_is_replaced(loaded: program.Program, bpffs: Path) -> None:
    other = program.load(_SIZES, object_file=built.object_file())
    other.pin(bpffs)
    other.close()
    loaded.maps["hosts4"].update(b"host", b"\1" * 24)

    loaded.pin(bpffs)

    adopted = program.adopt(bpffs)
    assert adopted.maps["hosts4"].lookup(b"host") == b"\1" * 24
    assert {path.name for path in bpffs.iterdir()} == {program.PROGRAM, *layout.MAPS}
    adopted.close()


def test_nothing_is_left_of_pins_that_are_removed(loaded: program.Program, bpffs: Path) -> None:
    loaded.pin(bpffs)

    program.unpin(bpffs)
    program.unpin(bpffs)

    assert not list(bpffs.iterdir())


def test_what_cannot_be_pinned_is_told_in_one_line(loaded: program.Program, tmp_path: Path) -> None:
    with pytest.raises(
        FastPathError, match=r"^cannot pin the fast path in .*; mount a bpffs there that nat64d may write to$"
    ):
        loaded.pin(tmp_path)


def test_another_program_goes_on_with_the_maps_that_are_there(loaded: program.Program) -> None:
    loaded.maps["hosts4"].update(b"host", b"\1" * 24)
    there = {name: one.descriptor for name, one in loaded.maps.by_name.items()}

    other = program.load(program.Sizes(1, 1, 1), object_file=built.object_file(), maps=there)

    assert other.maps["hosts4"].lookup(b"host") == b"\1" * 24
    assert len(other.maps.last_used.times) == _SIZES.last_used
    other.close()


def test_maps_of_another_layout_are_not_taken_over(loaded: program.Program, bpffs: Path) -> None:
    loaded.pin(bpffs)
    (bpffs / "hosts4").unlink()
    subprocess.run(["ln", bpffs / "hosts6", bpffs / "hosts4"], check=True)

    with pytest.raises(FastPathError, match=r"is of another version \(its map hosts4 is\); load it anew$"):
        program.adopt(bpffs)


def test_where_nothing_is_pinned_there_is_nothing_to_take_over(bpffs: Path) -> None:
    with pytest.raises(FastPathError, match=r"^cannot take over the fast path pinned in .*; load it anew$"):
        program.adopt(bpffs)
