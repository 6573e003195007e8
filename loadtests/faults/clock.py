"""A wall clock that can be stepped, for rtp and PostgreSQL alone: a small library, compiled here and preloaded."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path


class Clock:
    """`environment` is what a process needs to live by it. `missing` says why there is none, where there is none."""

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self.missing = ""
        self._folder = Path(tempfile.mkdtemp(prefix="rtp-clock-"))
        self._folder.chmod(0o755)  # PostgreSQL's user reads it, too
        self._offset = self._folder / "offset"
        self.step(0)
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if not sys.platform.startswith("linux"):
            self.missing = "it needs Linux"
        elif compiler is None:
            self.missing = "it needs a C compiler"
        else:
            self._compile(compiler)

    def step(self, seconds: float) -> None:
        """The clock is so far from the true time from now on, at once."""
        descriptor = os.open(self._offset, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, struct.pack("d", seconds), 0)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _compile(self, compiler: str) -> None:
        library = self._folder / "clock.so"
        with as_file(files("loadtests.faults").joinpath("clock.c")) as source:
            command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            self.missing = f"the C compiler failed: {' '.join(done.stderr.split())[:200]}"
        else:
            self.environment = {"LD_PRELOAD": str(library), "FAULTS_CLOCK": str(self._offset)}
