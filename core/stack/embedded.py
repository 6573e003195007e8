"""The embedded stack as a whole: three servers that start together and leave nothing behind."""

from __future__ import annotations

import atexit
import contextlib
import errno
import itertools
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import StackError
from core.stack import keeper
from core.stack.account import others_can_enter
from core.stack.postgres import PostgresServer
from core.stack.process import ServerProcess
from core.stack.sqs import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, SqsServer
from core.stack.state import FOLDER_PREFIX, StackAddresses, remove_leftovers, state_folder, write_state
from core.stack.valkey import ValkeyServer

_numbers = itertools.count()


class EmbeddedStack:
    """PostgreSQL, Redis and SQS of our own, on loopback, with their state in a temporary folder.

    Use it as a context manager, or call `start` and `stop`. `postgres`, `redis` and `sqs` are there between
    the two. Ports: 0 chooses a free one. `durable=False` lets PostgreSQL lose commits in a power failure.
    `services` are ministack's. Every failure is a StackError, after which nothing is left running.
    """

    postgres: PostgresServer
    redis: ValkeyServer
    sqs: SqsServer

    def __init__(
        self,
        *,
        postgres_port: int = 0,
        redis_port: int = 0,
        sqs_port: int = 0,
        durable: bool = True,
        appendonly: bool = False,
        services: Sequence[str] = ("sqs",),
        postgres_bin: Path | None = None,
    ) -> None:
        self._ports = (postgres_port, redis_port, sqs_port)
        self._durable = durable
        self._appendonly = appendonly
        self._services = services
        self._postgres_bin = postgres_bin
        self._servers: list[ServerProcess] = []
        self._folder: Path | None = None
        self._state_file: Path | None = None
        self._addresses: StackAddresses | None = None
        self._owner = os.getpid()
        self._started_at = 0.0
        self._state_lock = threading.Lock()

    @property
    def addresses(self) -> StackAddresses:
        """Where the servers are. Raises StackError before `start` and after `stop`."""
        if self._addresses is None:
            raise StackError("The embedded stack is not running", "Start it first")
        return self._addresses

    def start(self, progress: keeper.Progress | None = None, cancelled: threading.Event | None = None) -> None:
        """Start all three and return when all answer (about a second).

        `progress` is called, on this thread, with a line about each step. Once `cancelled` is set, everything that was
        started is ended and removed, and Cancelled raised. KeyboardInterrupt, or any other exception on this thread,
        is raised again after the same.
        """
        if self._folder is not None:
            raise StackError("The embedded stack is running already", "Stop it first")
        self._owner = os.getpid()
        atexit.register(self.stop)
        try:
            keeper.call(self._start, progress, cancelled)
        except BaseException:
            self.stop()  # an interrupt can come when all is started and only the return is left
            raise

    def stop(self) -> None:
        """End all three and remove what they left on disk; harmless if there is nothing to stop."""
        if os.getpid() == self._owner:  # in a forked child, the servers are still the parent's
            keeper.call(self._stop)
            atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        try:
            remove_leftovers()
            self._make_folder()
            self._start_servers()
        except OSError as error:
            translated = _translated(error, self._folder)
            self._stop()
            raise translated from error
        except BaseException:
            self._stop()
            raise

    def _make_folder(self) -> None:
        number = next(_numbers)
        suffix = f"-{number}" if number else ""  # a second stack of one process
        self._state_file = state_folder() / f"stack-{os.getpid()}{suffix}.json"
        self._started_at = time.time()
        self._folder = _base_folder() / f"{FOLDER_PREFIX}{secrets.token_hex(6)}"
        self._write_state()  # before there is anything that a kill -9 could leave behind unnamed
        # As root, PostgreSQL's user passes through it; each server's own folder is 0700.
        self._folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)

    def _start_servers(self) -> None:
        # The three work at the same time: the slow steps are initdb's and ministack's.
        assert self._folder is not None
        folders = [self._folder / name for name in ("postgres", "redis", "sqs")]
        for folder in folders:
            folder.mkdir(mode=0o700)
        changed = self._write_state
        bin_folder = self._postgres_bin
        self.postgres = PostgresServer(
            folders[0], self._ports[0], changed, durable=self._durable, bin_folder=bin_folder
        )
        self.redis = ValkeyServer(folders[1], self._ports[1], changed, appendonly=self._appendonly)
        self.sqs = SqsServer(folders[2], self._ports[2], changed, services=self._services)
        self._servers = [self.postgres, self.redis, self.sqs]
        keeper.say("Starting PostgreSQL, Redis and SQS")
        self.postgres.begin()
        self.sqs.begin()
        self.redis.begin()
        self.postgres.proceed()
        for server in self._servers:
            server.wait_until_it_answers()
            keeper.say(f"{server.name} answers on 127.0.0.1:{server.port}")
        self._addresses = StackAddresses(
            self.postgres.dsn, self.redis.url, self.sqs.endpoint_url, REGION, ACCESS_KEY_ID, SECRET_ACCESS_KEY
        )
        self._write_state()

    def _write_state(self) -> None:
        with self._state_lock:  # a fault test may kill a server while the stack stops
            if self._state_file is not None and self._folder is not None:
                running = [server.pid for server in self._servers if server.pid is not None]
                write_state(self._state_file, self._folder, self._started_at, running, self._addresses)

    def _stop(self) -> None:
        self._addresses = None
        with self._state_lock:
            state_file, self._state_file = self._state_file, None  # nothing is written to it any more
        for server in self._servers:
            server.end()
        self._servers = []
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        if state_file is not None:
            with contextlib.suppress(OSError):  # it could not be written either; that error is on its way
                state_file.unlink()


def _base_folder() -> Path:
    """Where temporary folders go; as root, somewhere that PostgreSQL's unprivileged user can enter."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108  (the name is random)
    for candidate in candidates:
        if os.geteuid() != 0 or (candidate.is_dir() and others_can_enter(candidate)):
            return candidate
    raise StackError("PostgreSQL's user cannot enter the temporary folder", "Point TMPDIR at one all users can enter")


def _translated(error: OSError, folder: Path | None) -> StackError:
    where = error.filename or folder or tempfile.gettempdir()
    if error.errno == errno.ENOSPC:
        return StackError(f"No space left on device in {where}", "Free some, or point TMPDIR at another disk")
    return StackError(f"The embedded stack could not start: {error.strerror or error} ({where})")
