"""Compile the fast path's program, and put it into the wheel: hatchling's build hook, and a command of its own.

The object is the same for the same sources and compiler: it carries no path, time or name of the builder. Without clang
there is none, and nothing fails: the package then says that this build has no fast path.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DIRECTORY: Final = Path(__file__).resolve().parent.parent / "nat64" / "device" / "fast_path"
SOURCE: Final = "fast_path.bpf.c"
OBJECT: Final = DIRECTORY / "fast_path.bpf.o"
FLAGS: Final = (
    # What follows is for kernels that check a program without CAP_PERFMON. They refuse a narrow write to the stack where a
    # register was put: so no halves of registers, which the third generation of instructions has, and no memory in common.
    *("-target", "bpf", "-mcpu=v2", "-O2"),
    *("-mllvm", "-no-stack-coloring", "-mllvm", "-no-stack-slot-sharing"),
    *("-g", "-fdebug-compilation-dir=."),  # for BTF, by which the loader knows the maps
    *("-std=gnu11", "-ffreestanding", "-nostdinc", "-Wall", "-Wextra", "-Werror"),
)


class FastPathBuildHook(BuildHookInterface[Any]):
    """Compiles the program before a wheel is made, or an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's own
        """Compile, and name the object as one of the wheel's files although Git ignores it."""
        if compile_object(OBJECT):
            build_data["artifacts"].append(f"/{OBJECT.relative_to(self.root)}")
        else:
            OBJECT.unlink(missing_ok=True)
            self.app.display_warning("clang is not installed: this build has no fast path")


def compile_object(output: Path) -> bool:
    """Compile the program to `output`; False without clang. Raises `subprocess.CalledProcessError`."""
    clang, strip = shutil.which("clang"), shutil.which("llvm-strip")
    if clang is None:
        return False
    with tempfile.TemporaryDirectory(prefix="nat64-fast-path-") as scratch:
        made = Path(scratch, output.name)
        # Relative names, as the object carries them.
        subprocess.run([clang, *FLAGS, "-c", SOURCE, "-o", made], check=True, cwd=DIRECTORY)
        if strip is not None:  # what is for debuggers alone, and three times as much as the program
            subprocess.run([strip, "--strip-debug", made], check=True)
        staged = output.with_name(
            f"{output.name}.{os.getpid()}"
        )  # whoever reads meanwhile has one or the other whole
        shutil.copyfile(made, staged)
        staged.replace(output)
    return True


def main() -> int:
    """Compile the program, and say where it is."""
    parser = argparse.ArgumentParser(description="compile the fast path's program")
    parser.add_argument(
        "--output", type=Path, default=OBJECT, help="the object to write (default: %(default)s)"
    )
    output: Path = parser.parse_args().output
    try:
        if compile_object(output):
            print(f"fast path: {output} ({output.stat().st_size // 1024} KiB)")
        else:
            output.unlink(missing_ok=True)
            print(
                "fast path: clang is not installed, so there is none; apt-get install clang", file=sys.stderr
            )
    except subprocess.CalledProcessError as error:
        print(f"fast path: {error.cmd[0]} failed, its reason is above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
