"""pgbench as the writer of a measurement: Python's own speed is not what is measured."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict

from core.errors import RtpError
from core.stack.binaries import postgres_folder

if TYPE_CHECKING:
    from pathlib import Path

_LIBPQ = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}


@dataclass(frozen=True)
class PgbenchResult:
    """What a pgbench has done."""

    transactions: int
    per_second: float


@dataclass(frozen=True)
class Pgbench:
    """Runs a statement again and again on one server; `:k` in it is a random one of `entities`, from 0 on.

    `programs` is the folder of the server's programs, the embedded server's where it is None.
    """

    dsn: str = field(repr=False)
    entities: int
    programs: Path | None = None
    clients: int = 8

    def run(self, statement: str, seconds: int, rate: float | None = None) -> PgbenchResult:
        """Write for so long: `rate` times per second, or as often as the server can. Raises RtpError if it fails."""
        return finish(self.start(statement, seconds, rate))

    def start(self, statement: str, seconds: int, rate: float | None = None) -> subprocess.Popen[str]:
        """Begin to write, for `finish` to wait for."""
        options = ["-n", "-M", "prepared", "-f", "/dev/stdin", "-T", str(seconds)]
        options += ["-c", str(self.clients), "-j", str(min(2, self.clients)), *(["-R", f"{rate:g}"] if rate else [])]
        process = subprocess.Popen(
            [str(postgres_folder(self.programs)[0] / "pgbench"), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **_libpq(self.dsn)},
        )
        assert process.stdin is not None
        with process.stdin:
            process.stdin.write(f"\\set k random(0, {self.entities - 1})\n{statement.rstrip(';')};\n")
        return process


def finish(process: subprocess.Popen[str]) -> PgbenchResult:
    """Wait for the end of the writing. Raises RtpError if it failed."""
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    process.wait()
    per_second = re.search(r"tps = ([\d.]+)", output)
    transactions = re.search(r"actually processed: (\d+)", output)
    if per_second is None or transactions is None:
        raise RtpError(f"pgbench failed: {output.strip()[-300:]}")
    return PgbenchResult(int(transactions[1]), float(per_second[1]))


def _libpq(dsn: str) -> dict[str, str]:
    """A DSN as libpq's variables: a password does not belong on a command line."""
    return {_LIBPQ[name]: str(value) for name, value in conninfo_to_dict(dsn).items() if name in _LIBPQ}
