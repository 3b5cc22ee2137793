"""``python -m tests.kernels``: the lab tests of the fast path under the kernels of Debian's releases, in QEMU (root)."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from tests.kernels import debian_kernel, guest

_TESTS: Final = tuple(
    f"tests/lab/test_fast_path_{what}_lab.py" for what in ("program", "attachment", "traffic", "packets")
)
_SECONDS: Final = 3600
"""What QEMU may take for one kernel; ten minutes on an idle machine, without KVM."""


def main() -> int:
    """Run the tests under each kernel, and return 0 if all passed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.kernels", description="run tests under other kernels"
    )
    parser.add_argument("releases", nargs="*", default=["bookworm", "trixie"], help="default: %(default)s")
    parser.add_argument(
        "--tests", nargs="+", default=_TESTS, help="what pytest runs (default: the fast path's)"
    )
    options = parser.parse_args()
    failed = []
    for release in options.releases:
        try:
            kernel = debian_kernel.of_release(release)
        except debian_kernel.KernelUnavailableError as error:
            parser.exit(1, f"kernels: {error}\n")
        sys.stdout.write(f"kernels: {release}, Linux {kernel.version}\n")
        sys.stdout.flush()
        pytest = (
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-p",
            "no:cacheprovider",
            "--color=no",
            "--timeout=900",
        )
        if guest.run(kernel, (*pytest, *options.tests), _SECONDS):
            failed.append(f"{release} ({kernel.version})")
    if failed:
        sys.stderr.write(f"kernels: failed under {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
