"""Running the program anew in the same process, with open files and what is told of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nat64.process import upgrade
from nat64.process.errors import ProcessError

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import os, signal, sys
from nat64.process.upgrade import Program, WAITING_SIGNALS, handed_over
before = handed_over()
if before is None:
    reader, writer = os.pipe()
    os.write(writer, b"kept")
    program = Program()
    os.chdir("/")
    program.run_anew([reader], {"pid": os.getpid(), "pipe": reader, "words": "ä" * 200_000})
print(before["pid"] == os.getpid(), os.read(before["pipe"], 9), len(before["words"]), os.getcwd(), sys.argv[1:])
print(set(WAITING_SIGNALS) <= signal.pthread_sigmask(signal.SIG_BLOCK, ()))
print(handed_over(), any(name.startswith("NAT64_") for name in os.environ))
"""


def test_the_program_runs_anew_as_the_same_process_with_its_files_and_where_it_began(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_text(PROGRAM, encoding="utf-8")
    printed = subprocess.run(
        [sys.executable, "program", "-c", "x"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert printed.stdout.splitlines() == [
        f"True b'kept' 200000 {tmp_path} ['-c', 'x']",
        "True",
        "None False",
    ]


def test_what_another_process_was_told_is_not_for_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAT64_HANDED_OVER", f"{os.getppid()} 5")
    assert upgrade.handed_over() is None


def test_what_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    monkeypatch.setenv("NAT64_HANDED_OVER", f"{os.getpid()} {reader}")
    with pytest.raises(ProcessError, match=r"what was handed over cannot be read: .*; start it again"):
        upgrade.handed_over()


def as_program(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> upgrade.Program:
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, *arguments])
    return upgrade.Program()


def test_a_program_that_ends_well_passes_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    program = as_program(monkeypatch, "-c", "import sys; assert sys.argv[1:] == ['--check']")
    asyncio.run(program.check("--check"))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise SystemExit('wrong: mend it')", "^wrong: mend it$"),
        ("raise SystemExit(3)", "^the new program ends with status 3; run it$"),
        ("import os, sys; sys.stderr.write('x' * 10**6); sys.exit(1)", "^x{4096}$"),
    ],
)
def test_a_program_that_fails_the_check_tells_why(
    script: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ProcessError, match=reason):
        asyncio.run(as_program(monkeypatch, "-c", script).check())


def test_a_program_that_hangs_in_the_check_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "_CHECKS_WITHIN", 0.5)
    with pytest.raises(ProcessError, match="did not check the config within"):
        asyncio.run(as_program(monkeypatch, "-c", "import time; time.sleep(60)").check())


def test_an_interpreter_that_is_gone_is_told_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    program = as_program(monkeypatch)
    with pytest.raises(ProcessError, match="the program cannot be run: "):
        asyncio.run(program.check())
    reader, writer = os.pipe()
    directory, blocked = os.getcwd(), signal.pthread_sigmask(signal.SIG_BLOCK, ())  # noqa: PTH109 - as it is
    with pytest.raises(ProcessError, match="the program cannot be run anew: "):
        program.run_anew([reader], {})
    assert not os.get_inheritable(reader)
    assert (os.getcwd(), signal.pthread_sigmask(signal.SIG_BLOCK, ())) == (directory, blocked)  # noqa: PTH109 - as it is
    os.close(reader)
    os.close(writer)


def test_who_is_told_to_end_just_before_the_program_runs_anew_ends() -> None:
    program = """
import os, signal
from nat64.process.upgrade import Program
run, program = os.execve, Program()
def told_to_end(*arguments):
    os.kill(os.getpid(), signal.SIGTERM)
    run(*arguments)
if "NAT64_HANDED_OVER" not in os.environ:
    signal.signal(signal.SIGTERM, lambda *_: None)
    os.execve = told_to_end
    program.run_anew([], {})
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGTERM
