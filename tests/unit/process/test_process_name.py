"""What a process is listed as."""

from __future__ import annotations

import subprocess
import sys


def test_a_process_and_what_it_forks_are_listed_by_the_name_given() -> None:
    program = """
import os
from pathlib import Path
from nat64.process.process_name import call_process
call_process("dns64d")
print(Path("/proc/self/comm").read_text().strip(), flush=True)
if os.fork() == 0:
    print(Path("/proc/self/comm").read_text().strip(), flush=True)
    os._exit(0)
os.wait()
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["dns64d", "dns64d"]
