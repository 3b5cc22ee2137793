"""The maps of a loaded program, written and read."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from nat64.device.errors import DeviceError
from nat64.device.fast_path import layout
from nat64.device.fast_path.layout import Outcome
from nat64.device.fast_path.libbpf import library

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nat64.device.fast_path.contents import Entry

_ANY: Final = 0  # BPF_ANY: make an entry or replace it
_BATCH: Final = 4096  # entries for one call of the kernel


class MapFullError(DeviceError):
    """A map has as many entries as it may; `name` says which."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the fast path's map {name} is full; the daemon translates what has no place in it")
        self.name = name


class Map:
    """One map, by its file descriptor. Keys and values have the lengths of its `layout.Kind`.

    Every method raises `OSError` where the kernel refuses, `MapFullError` where it has no more place, and `ValueError` for a
    key or a value of another length, as the kernel would read on behind it.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.descriptor = descriptor
        self.kind = layout.MAPS[name]
        self._call = library()

    def update(self, key: bytes, value: bytes) -> None:
        """Make an entry, or replace it whole."""
        self._check(1, key, value)
        try:
            self._call("bpf_map_update_elem", self.descriptor, key, value, _ANY)
        except OSError as error:
            raise self._explained(error) from None

    def lookup(self, key: bytes) -> bytes | None:
        """Return a key's value, None if there is none."""
        self._check(1, key)
        value = ctypes.create_string_buffer(self.kind.value.size)
        try:
            self._call("bpf_map_lookup_elem", self.descriptor, key, value)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return value.raw

    def delete(self, key: bytes) -> bool:
        """Delete an entry; False if there was none."""
        self._check(1, key)
        try:
            self._call("bpf_map_delete_elem", self.descriptor, key)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True

    def update_many(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Make or replace many entries of a hash map, thousands with each call of the kernel."""
        for at in range(0, len(entries), _BATCH):
            some = entries[at : at + _BATCH]
            keys, values = b"".join(key for key, _ in some), b"".join(value for _, value in some)
            self._check(len(some), keys, values)
            count = ctypes.c_uint32(len(some))
            try:
                self._call("bpf_map_update_batch", self.descriptor, keys, values, ctypes.byref(count), None)
            except OSError as error:
                raise self._explained(error) from None

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries of a hash map or a trie, thousands with each call of the kernel.

        Those made or deleted meanwhile may be left out.
        """
        key_size, value_size = self.kind.key.size, self.kind.value.size
        count = _BATCH
        token, after = (ctypes.create_string_buffer(max(key_size, 8)) for _ in range(2))
        is_first, goes_on = True, True
        while goes_on:
            keys = ctypes.create_string_buffer(count * key_size)
            values = ctypes.create_string_buffer(count * value_size)
            found = ctypes.c_uint32(count)
            here = None if is_first else token
            try:
                self._call(
                    "bpf_map_lookup_batch",
                    *(self.descriptor, here, after, keys, values, ctypes.byref(found), None),
                )
            except OSError as error:
                if error.errno == errno.ENOSPC:  # more than that share one bucket of the hash map
                    count *= 2
                    continue
                if error.errno != errno.ENOENT:
                    raise
                goes_on = False
            each_key, each_value = Struct(f"={key_size}s"), Struct(f"={value_size}s")
            yield from (
                (key, value)
                for (key,), (value,) in zip(
                    each_key.iter_unpack(keys.raw[: found.value * key_size]),
                    each_value.iter_unpack(values.raw[: found.value * value_size]),
                    strict=True,
                )
            )
            token.raw, is_first = after.raw, False

    def of_all_processors(self, processors: int) -> list[tuple[int, ...]]:
        """Return the numbers of a map that holds one for each CPU, in the order of its keys, by one call of the kernel."""
        size = processors * self.kind.value.size
        keys = ctypes.create_string_buffer(len(Outcome) * self.kind.key.size)
        values = ctypes.create_string_buffer(len(Outcome) * size)
        count, token = ctypes.c_uint32(len(Outcome)), ctypes.create_string_buffer(8)
        try:
            self._call(
                "bpf_map_lookup_batch",
                *(self.descriptor, None, token, keys, values, ctypes.byref(count), None),
            )
        except OSError as error:
            if error.errno != errno.ENOENT:  # that there are no more
                raise
        return list(Struct(f"={processors}Q").iter_unpack(values))

    def _check(self, count: int, keys: bytes, values: bytes | None = None) -> None:
        if len(keys) != count * self.kind.key.size or (
            values is not None and len(values) != count * self.kind.value.size
        ):
            raise ValueError(f"a key or a value of another length than the map {self.name} has")

    def _explained(self, error: OSError) -> Exception:
        return MapFullError(self.name) if error.errno in {errno.E2BIG, errno.ENOSPC} else error


class LastUsed:
    """When each lease was last used, in nanoseconds of CLOCK_MONOTONIC: the program's memory, seen as our own.

    Times before the machine started are negative: leases come back from a file with those.
    `times[slot]` is read and written without a call of the kernel, so that a million cost milliseconds.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        octets = size * layout.NANOSECONDS.size
        self._memory = mmap.mmap(descriptor, -(-octets // mmap.PAGESIZE) * mmap.PAGESIZE)
        self._view = memoryview(self._memory)
        self.times = self._view[:octets].cast("q")

    def close(self) -> None:
        """Give the memory back; `times` can no more be used."""
        self.times.release()
        self._view.release()
        self._memory.close()


class Maps:
    """All maps of a program, by the names of `layout.MAPS`, with what the daemon does with them."""

    def __init__(self, descriptors: dict[str, int], leases: int) -> None:
        self.by_name = {name: Map(name, descriptor) for name, descriptor in descriptors.items()}
        self.last_used = LastUsed(descriptors["last_used"], leases)

    def __getitem__(self, name: str) -> Map:
        return self.by_name[name]

    def put(self, entries: Iterable[Entry]) -> None:
        """Make or replace entries, in their order. Raises `MapFullError`."""
        for entry in entries:
            self.by_name[entry.map_name].update(entry.key, entry.value)

    def put_many(self, entries: Iterable[Entry]) -> None:
        """Do the same for many leases or exact maps, thousands with each call of the kernel: all from IPv4 first.

        Raises `MapFullError` when a part of them is in place.
        """
        many: dict[str, list[tuple[bytes, bytes]]] = {"hosts4": [], "hosts6": []}
        for entry in entries:
            many[entry.map_name].append((entry.key, entry.value))
        for name, some in many.items():
            self.by_name[name].update_many(some)

    def remove(self, entries: Sequence[Entry]) -> None:
        """Delete entries, in the other order; those that are not there are passed over."""
        for entry in reversed(entries):
            self.by_name[entry.map_name].delete(entry.key)

    def beat(self, until: int) -> None:
        """Let the program translate until then, in nanoseconds of CLOCK_MONOTONIC; 0 stops it at once.

        While it is stopped every packet goes to the daemon, so that maps can be changed without one seeing half of it.
        """
        self.by_name["heartbeat"].update(layout.INDEX.pack(0), layout.NANOSECONDS.pack(until))

    def layout(self) -> int:
        """Return the layout by which the maps were written, 0 if by none yet."""
        return int(self._settings()[0])

    def prefixes(self) -> int:
        """Return how many prefixes they have entries for."""
        return int(self._settings()[layout.PREFIXES_AT])

    def _settings(self) -> tuple[Any, ...]:
        value = self.by_name["settings"].lookup(layout.INDEX.pack(0))
        return layout.SETTINGS.unpack(value or bytes(layout.SETTINGS.size))

    def outcomes(self) -> dict[Outcome, int]:
        """Return the packets by what became of them, since the maps were made."""
        counts = self.by_name["outcomes"].of_all_processors(library()("libbpf_num_possible_cpus"))
        return {outcome: sum(counts[outcome]) for outcome in Outcome}

    def close(self) -> None:
        """Give the memory back. The descriptors are closed by whoever opened them."""
        with contextlib.suppress(BufferError):  # somebody still holds a part of it
            self.last_used.close()
