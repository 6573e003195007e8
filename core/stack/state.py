"""The state file: how another terminal finds the stack, and a later start finds a dead rtp's leftovers.

One file per stack, readable by its user alone, as it holds the addresses with their passwords.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from core.errors import StackError
from core.stack import pids

FOLDER_PREFIX = "rtp-stack-"


@dataclass(frozen=True)
class StackAddresses:
    """Where the stack's servers are, and what opens them. The passwords stay out of its repr."""

    postgres_dsn: str = field(repr=False)
    redis_url: str = field(repr=False)
    sqs_endpoint_url: str
    aws_region: str
    aws_access_key_id: str
    aws_secret_access_key: str = field(repr=False)

    def environ(self, *, queue: str) -> dict[str, str]:
        """The environment in which rtp, and boto3, find all of them."""
        return {
            "AWS_ACCESS_KEY_ID": self.aws_access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.aws_secret_access_key,
            "AWS_DEFAULT_REGION": self.aws_region,
            "RTP_POSTGRES_DSN": self.postgres_dsn,
            "RTP_REDIS_URL": self.redis_url,
            "RTP_SQS_ENDPOINT_URL": self.sqs_endpoint_url,
            "RTP_SQS_QUEUE": queue,
        }


@dataclass(frozen=True)
class _Process:
    pid: int
    identity: str | None

    @property
    def is_alive(self) -> bool:
        return self.identity is not None and pids.identity(self.pid) == self.identity


@dataclass(frozen=True)
class _State:
    host: str  # homes may be shared: process ids of another machine or container say nothing here
    rtp: _Process
    servers: tuple[_Process, ...]
    folder: str
    started_at: float  # Unix time
    addresses: StackAddresses | None  # None while the stack starts


def state_folder() -> Path:
    """RTP_STATE_DIR, or `rtp` in XDG_STATE_HOME or ~/.local/state, or (no home) a temporary folder."""
    if own := os.environ.get("RTP_STATE_DIR"):
        return Path(own).expanduser()
    if base := os.environ.get("XDG_STATE_HOME"):
        return Path(base) / "rtp"
    home = Path("~").expanduser()
    if os.access(home, os.W_OK):
        return home / ".local" / "state" / "rtp"
    return Path(tempfile.gettempdir()) / f"rtp-state-{os.geteuid()}"


def write_state(
    file: Path, folder: Path, started_at: float, servers: Iterable[int], addresses: StackAddresses | None
) -> None:
    """Write or replace a stack's state file atomically, with mode 0600. Raises StackError if it cannot."""
    rtp, children = _process(os.getpid()), tuple(map(_process, servers))
    state = _State(platform.node(), rtp, children, str(folder), started_at, addresses)
    try:
        _make_private(file.parent)
        handle, name = tempfile.mkstemp(prefix=".stack-", dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as output:
            json.dump(asdict(state), output)
        Path(name).replace(file)
    except OSError as error:
        remedy = "Set RTP_STATE_DIR to a folder of your own"
        raise StackError(f"Cannot write {file}: {error.strerror}", remedy) from error


def running_stack() -> StackAddresses | None:
    """The addresses of this user's newest stack whose rtp is alive, or None; ends what dead ones left."""
    remove_leftovers()
    states = sorted((state for _, state in _states()), key=lambda state: state.started_at)
    ready = [state.addresses for state in states if state.addresses is not None and state.rtp.is_alive]
    return ready[-1] if ready else None


def remove_leftovers() -> None:
    """End the servers, and remove the folders and state files, of stacks whose rtp is dead."""
    for file, state in _states():
        if state.rtp.is_alive:
            continue
        for server in state.servers:
            if server.is_alive:  # the same process that was started then, not a later one with its id
                pids.kill_family(server.pid)
        if Path(state.folder).name.startswith(FOLDER_PREFIX):
            shutil.rmtree(state.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another look removed it at the same time
            file.unlink()


def _states() -> Iterator[tuple[Path, _State]]:
    for file in state_folder().glob("stack-*.json"):
        try:
            if file.stat().st_uid != os.geteuid():  # somebody else's word is not to be acted on
                continue
            found = json.loads(file.read_text(encoding="utf-8"))
            addresses = StackAddresses(**found["addresses"]) if found["addresses"] is not None else None
            servers = tuple(_Process(**server) for server in found["servers"])
            found |= {"rtp": _Process(**found["rtp"]), "servers": servers, "addresses": addresses}
            state = _State(**found)
        except (OSError, ValueError, TypeError, KeyError):
            continue  # removed meanwhile, or written by another version of rtp
        if state.host == platform.node():
            yield file, state


def _process(pid: int) -> _Process:
    return _Process(pid, pids.identity(pid))


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # one that exists keeps its mode: it may be /tmp
    found = folder.stat()
    if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
        raise StackError(f"{folder} is not a folder of this user", "Set RTP_STATE_DIR to one that is")
