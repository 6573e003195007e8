"""What becomes of rtp where its output cannot be written, or nobody reads it, and of Ctrl-C before it has begun."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rtp_process import ROOT, command

FULL = Path("/dev/full")
NO_SPACE = "standard output cannot be written: No space left on device\n"

# What each writes with: rtp's own console, Typer's, JSON, plain text.
COMMANDS = [["route", "--kind", "tvl", "--entity", "x", "--sqs-queue", "a.fifo"], ["--help"], ["schema"]]


def run(shell_words: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `rtp` with what a shell makes of its streams."""
    line = [*("/bin/sh", "-c", f'"$@" {shell_words}', "sh"), *command(*arguments)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_full_disk_is_one_line(arguments: list[str]) -> None:
    ran = run("> /dev/full", *arguments)
    assert (ran.returncode, ran.stderr) == (2, NO_SPACE)


def test_an_output_that_is_closed_is_one_line() -> None:
    ran = run(">&-", "schema")
    assert (ran.returncode, ran.stderr) == (2, "standard output cannot be written: Bad file descriptor\n")


@pytest.mark.parametrize("shell_words", ["2>&-", "2>/dev/full"])
def test_messages_that_nobody_can_have_stop_nothing(shell_words: str) -> None:
    ran = run(f"{shell_words} <&-", "route", "--kind", "apy", "--entity", "x")
    assert (ran.returncode, ran.stderr) == (2, "")


def test_a_reader_that_has_seen_enough_ends_it_without_a_word() -> None:
    ran = run("| true", "schema")
    assert ran.stderr == ""


# Ctrl-C while Python looks for that module.
INTERRUPTED = """
import os, signal, sys
wanted = sys.argv[1]
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == wanted:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder)
from defi_rtp import main
sys.argv[1:] = ["schema"]
main()
"""


@pytest.mark.parametrize("module", ["cli.__main__", "cli.app", "rich", "cli.schema", "msgspec"])
def test_ctrl_c_while_it_starts_ends_it_without_a_word(module: str) -> None:
    line = [sys.executable, "-c", INTERRUPTED, module]
    ran = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode in (-signal.SIGINT, 130), ran.stdout, ran.stderr) == (True, "", "")
