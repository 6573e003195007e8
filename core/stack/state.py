"""The state file: how another terminal finds the stack, and a later start finds a dead rtp's leftovers.

One file per stack, readable by its user alone, as it holds the addresses with their passwords.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from core.errors import StackError

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
class RunningStack:
    """A stack that is ready, and the name that tells it from this user's others: its rtp's process id."""

    name: str
    addresses: StackAddresses


@dataclass(frozen=True)
class _StateFile:
    host: str  # homes may be shared: another machine's file is its own affair
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


class StateFile:
    """A stack's own file. The process that made it keeps it locked, which tells others whether that process lives."""

    def __init__(self, name: str, folder: Path) -> None:
        self.path = state_folder() / name
        self._folder = folder
        self._started_at = time.time()
        try:
            _make_private(self.path.parent)
            handle, draft = tempfile.mkstemp(prefix=".stack-", dir=self.path.parent)
            self._file = os.fdopen(handle, "r+", encoding="utf-8")
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self.write(None)
            Path(draft).replace(self.path)  # not visible before it is locked
        except OSError as error:
            remedy = "Set RTP_STATE_DIR to a folder of your own"
            raise StackError(f"Cannot write {self.path}: {error.strerror}", remedy) from error

    @property
    def name(self) -> str:
        """The stack's."""
        return _name(self.path)

    def write(self, addresses: StackAddresses | None) -> None:
        """Say where the servers are."""
        state = _StateFile(platform.node(), str(self._folder), self._started_at, addresses)
        self._file.seek(0)
        self._file.truncate()
        json.dump(asdict(state), self._file)
        self._file.flush()

    def remove(self) -> None:
        """Remove the file, and unlock it."""
        self.path.unlink(missing_ok=True)
        self._file.close()


def running_stacks() -> list[RunningStack]:
    """This user's stacks that are ready, the newest first."""
    alive = [(path, state) for path, state, is_alive in _states() if is_alive]
    alive.sort(key=lambda found: -found[1].started_at)
    return [RunningStack(_name(path), state.addresses) for path, state in alive if state.addresses is not None]


def remove_leftovers() -> None:
    """Remove the folders and state files of stacks whose rtp is dead, and whose guard did not come to it."""
    for file, state, is_alive in _states():
        if is_alive:
            continue
        if Path(state.folder).name.startswith(FOLDER_PREFIX):
            shutil.rmtree(state.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another look removed it at the same time
            file.unlink()


def _states() -> Iterator[tuple[Path, _StateFile, bool]]:
    """Each stack's file, what it says, and whether its rtp is alive."""
    for path in state_folder().glob("stack-*.json"):
        try:
            with path.open(encoding="utf-8") as file:
                if os.fstat(file.fileno()).st_uid != os.geteuid():  # somebody else's word is not to be acted on
                    continue
                found = json.load(file)
                addresses = StackAddresses(**found["addresses"]) if found["addresses"] is not None else None
                state = _StateFile(**found | {"addresses": addresses})
                is_alive = _is_locked(file)
        except (OSError, ValueError, TypeError, KeyError):
            continue  # removed or written meanwhile, or written by another version of rtp
        if state.host == platform.node():
            yield path, state, is_alive


def _name(path: Path) -> str:
    return path.stem.removeprefix("stack-")


def _is_locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # one that exists keeps its mode: it may be /tmp
    found = folder.stat()
    if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
        raise StackError(f"{folder} is not a folder of this user", "Set RTP_STATE_DIR to one that is")
