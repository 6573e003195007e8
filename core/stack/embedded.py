"""The embedded stack as a whole: three servers that start together and leave nothing behind."""

from __future__ import annotations

import atexit
import contextlib
import errno
import itertools
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import StackError
from core.stack.account import others_can_enter
from core.stack.full_disk import no_space_left
from core.stack.postgres import PostgresServer
from core.stack.process import StartUp, tell_nobody
from core.stack.sqs import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, SqsServer
from core.stack.state import FOLDER_PREFIX, StackAddresses, StateFile, remove_leftovers
from core.stack.supervisor import Supervisor
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
        self._folder: Path | None = None
        self._state: StateFile | None = None
        self._supervisor: Supervisor | None = None
        self._addresses: StackAddresses | None = None

    @property
    def addresses(self) -> StackAddresses:
        """Where the servers are. Raises StackError before `start` and after `stop`."""
        if self._addresses is None:
            raise StackError("The embedded stack is not running", "Start it first")
        return self._addresses

    @property
    def name(self) -> str:
        """What tells it from others that run at the same time. Raises StackError before `start` and after `stop`."""
        if self._state is None:
            raise StackError("The embedded stack is not running", "Start it first")
        return self._state.name

    def start(self, progress: Callable[[str], object] = tell_nobody, cancelled: threading.Event | None = None) -> None:
        """Start all three and return when all answer (about a second).

        `progress` is called with a line about each step. Once `cancelled` is set, everything that was started is ended
        and removed, and Cancelled raised; any other exception, KeyboardInterrupt too, is raised after the same.
        """
        if self._supervisor is not None:
            raise StackError("The embedded stack is running already", "Stop it first")
        atexit.register(self.stop)
        try:
            self._start(StartUp(progress, cancelled or threading.Event()))
        except OSError as error:
            translated = _translated(error, self._folder)
            self.stop()
            raise translated from error
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Raise StackError where the process that guards the servers has ended."""
        if self._supervisor is not None:
            self._supervisor.check()

    def stop(self) -> None:
        """End all three and remove what they left on disk; harmless if there is nothing to stop."""
        self._addresses, self._folder = None, None
        if self._supervisor is not None:
            self._supervisor.close()
            self._supervisor = None
        if self._state is not None:
            self._state.remove()
            self._state = None
        atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, start_up: StartUp) -> None:
        remove_leftovers()
        number = next(_numbers)
        suffix = f"-{number}" if number else ""  # a second stack of one process
        with _undivided():
            folder = self._folder = _base_folder() / f"{FOLDER_PREFIX}{secrets.token_hex(6)}"
            state = self._state = StateFile(f"stack-{os.getpid()}{suffix}.json", folder)
        self._supervisor = Supervisor(removes=(folder, state.path))
        # As root, PostgreSQL's user passes through it; each server's own folder is 0700.
        folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
        self._start_servers(start_up, folder, self._supervisor)
        self._addresses = StackAddresses(
            self.postgres.dsn, self.redis.url, self.sqs.endpoint_url, REGION, ACCESS_KEY_ID, SECRET_ACCESS_KEY
        )
        state.write(self._addresses)

    def _start_servers(self, start_up: StartUp, folder: Path, supervisor: Supervisor) -> None:
        # The three work at the same time: the slow steps are initdb's and ministack's.
        folders = [folder / name for name in ("postgres", "redis", "sqs")]
        for one in folders:
            one.mkdir(mode=0o700)
        self.postgres = PostgresServer(
            folders[0], self._ports[0], supervisor, durable=self._durable, bin_folder=self._postgres_bin
        )
        self.redis = ValkeyServer(folders[1], self._ports[1], supervisor, appendonly=self._appendonly)
        self.sqs = SqsServer(folders[2], self._ports[2], supervisor, services=self._services)
        start_up.say("Starting PostgreSQL, Redis and SQS")
        self.postgres.begin(start_up)
        self.sqs.begin()
        self.redis.begin()
        self.postgres.proceed(start_up)
        for server in (self.postgres, self.redis, self.sqs):
            server.wait_until_it_answers(start_up)
            start_up.say(f"{server.name} answers on 127.0.0.1:{server.port}")


@contextlib.contextmanager
def _undivided() -> Iterator[None]:
    """Within, Ctrl-C waits. What half of these steps leaves behind, nobody would know of."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
        return no_space_left(where)
    return StackError(f"The embedded stack could not start: {error.strerror or error} ({where})")
