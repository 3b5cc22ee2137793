"""A machine of QEMU's that runs one command under another kernel, on the files of this one."""

from __future__ import annotations

import gzip
import lzma
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.kernels.debian_kernel import Kernel

_HERE: Final = Path(__file__).parent
_PROJECT: Final = _HERE.parents[1]
_MODULES: Final = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
_STATUS: Final = re.compile(r"guest: exit status (\d+)")


def run(kernel: Kernel, command: Sequence[str], seconds: float) -> int:
    """Run a command in the project's directory as root, show what it prints, and return its exit status.

    The guest sees the machine's files; what it writes goes to its own memory. It has no network. Returns 1 where the
    kernel did not come so far, or the command did not end in `seconds`.
    """
    with tempfile.TemporaryDirectory(prefix="nat64-kernels-") as directory:
        initramfs = Path(directory, "initramfs.gz")
        initramfs.write_bytes(_initramfs(kernel, command, Path(directory, "tree")))
        return _boot(kernel, initramfs, seconds)


def _boot(kernel: Kernel, initramfs: Path, seconds: float) -> int:
    machine = (
        *("timeout", str(seconds)),
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2G"),
        *("-kernel", str(kernel.image), "-initrd", str(initramfs)),
        *("-append", "console=ttyS0 panic=-1 quiet", "-nographic", "-no-reboot", "-net", "none"),
        *("-fsdev", "local,id=files,path=/,security_model=none,readonly=on,multidevs=remap"),
        *("-device", "virtio-9p-pci,fsdev=files,mount_tag=host"),
    )
    status = 1
    with subprocess.Popen(machine, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        for line in running.stdout:
            text = line.decode(errors="replace").replace("\r", "")
            sys.stdout.write(text)
            sys.stdout.flush()
            if said := _STATUS.match(text):
                status = int(said[1])
    return status


def _initramfs(kernel: Kernel, command: Sequence[str], tree: Path) -> bytes:
    for name in ("bin", "proc", "sys", "dev", "host", "layer", "root", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin")
    shutil.copy(_HERE / "init", tree / "init")
    (tree / "init").chmod(0o755)
    modules = kernel.in_order(*_MODULES)
    for module in modules:
        content = module.read_bytes()
        (tree / "modules" / module.stem).write_bytes(
            lzma.decompress(content) if module.suffix == ".xz" else content
        )
    (tree / "order").write_text("".join(f"{module.stem}\n" for module in modules), encoding="ascii")
    (tree / "kernel-modules").write_text(f"{kernel.modules}\n", encoding="ascii")
    (tree / "command").write_text(
        "export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root\n"
        f"modprobe tun\nip link set lo up\ncd {shlex.quote(str(_PROJECT))}\n{shlex.join(command)}\n"
        'echo "guest: exit status $?"\nbusybox poweroff -f\n',
        encoding="utf-8",
    )
    names = "".join(f"{path.relative_to(tree)}\n" for path in sorted(tree.rglob("*")))
    archive = subprocess.run(
        ("cpio", "--create", "--format=newc", "--quiet"),
        cwd=tree,
        input=names.encode(),
        check=True,
        capture_output=True,
    ).stdout
    return gzip.compress(archive, compresslevel=1)
