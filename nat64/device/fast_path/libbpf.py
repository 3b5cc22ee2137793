"""The functions of libbpf 1.x that are used, called through ctypes.

Those here return what the C functions return, and raise `OSError` where these set errno or return a negative one. The
library is loaded at the first call of `library`.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Final

LIBRARY: Final = "libbpf.so.1"
LOG_OCTETS: Final = 1 << 20
"""As much of the verifier's log is kept; where a refused program's is longer, the kernel keeps its end."""

_void = ctypes.c_void_p
_int = ctypes.c_int
_u32 = ctypes.c_uint32
_text = ctypes.c_char_p
_SIGNATURES: Final = {
    "bpf_object__open_mem": (_void, (ctypes.c_char_p, ctypes.c_size_t, _void)),
    "bpf_object__load": (_int, (_void,)),
    "bpf_object__close": (None, (_void,)),
    "bpf_object__find_map_by_name": (_void, (_void, _text)),
    "bpf_object__find_program_by_name": (_void, (_void, _text)),
    "bpf_program__fd": (_int, (_void,)),
    "bpf_program__set_log_buf": (_int, (_void, _void, ctypes.c_size_t)),
    "bpf_map__fd": (_int, (_void,)),
    "bpf_map__reuse_fd": (_int, (_void, _int)),
    "bpf_map__set_max_entries": (_int, (_void, _u32)),
    "bpf_map__set_initial_value": (_int, (_void, _void, ctypes.c_size_t)),
    "bpf_obj_get": (_int, (_text,)),
    "bpf_obj_pin": (_int, (_int, _text)),
    "bpf_obj_get_info_by_fd": (_int, (_int, _void, ctypes.POINTER(_u32))),
    "bpf_prog_get_fd_by_id": (_int, (_u32,)),
    "bpf_map_update_elem": (_int, (_int, _void, _void, ctypes.c_uint64)),
    "bpf_map_lookup_elem": (_int, (_int, _void, _void)),
    "bpf_map_delete_elem": (_int, (_int, _void)),
    "bpf_map_update_batch": (_int, (_int, _void, _void, ctypes.POINTER(_u32), _void)),
    "bpf_map_delete_batch": (_int, (_int, _void, ctypes.POINTER(_u32), _void)),
    "bpf_map_lookup_batch": (_int, (_int, _void, _void, _void, _void, ctypes.POINTER(_u32), _void)),
    "bpf_prog_test_run_opts": (_int, (_int, _void)),
    "libbpf_num_possible_cpus": (_int, ()),
    "libbpf_set_print": (_void, (_void,)),
}
_MAY_BE_ZERO: Final = frozenset(("libbpf_set_print",))


class _Checked:
    """The library, each of its functions with its result checked."""

    def __init__(self, shared: ctypes.CDLL) -> None:
        self._functions = {name: shared[name] for name in _SIGNATURES}
        for name, function in self._functions.items():
            function.restype, function.argtypes = _SIGNATURES[name]

    def __call__(self, name: str, *arguments: object) -> int:
        """Call a function by its name. Raises `OSError`."""
        ctypes.set_errno(0)
        result = self._functions[name](*arguments)
        kind = _SIGNATURES[name][0]
        failed = result is None if kind is _void else isinstance(result, int) and result < 0
        if failed and kind is not None and name not in _MAY_BE_ZERO:
            code = ctypes.get_errno() or -(result or 0)
            raise OSError(code, os.strerror(code), name)
        return int(result or 0)


@cache
def library() -> _Checked:
    """Return the library, with its messages silenced: errors are told by their numbers. Raises `OSError`."""
    loaded = _Checked(ctypes.CDLL(LIBRARY, use_errno=True))
    loaded("libbpf_set_print", None)
    return loaded
