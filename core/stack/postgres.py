"""The embedded PostgreSQL: `initdb`, `postgres`, and a database `defi`."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from pathlib import Path

from core.errors import StackError
from core.stack import binaries
from core.stack.account import Account, hand_over_to_unprivileged_account, others_can_run
from core.stack.full_disk import no_space_left
from core.stack.ports import LOOPBACK
from core.stack.process import ServerProcess, StartUp
from core.stack.supervisor import GuardedProcess, Supervisor

USER = "rtp_owner"  # not rtp: the schema of that name would come first in its search_path
DATABASE = "defi"

# Nothing replicates this server: minimal WAL. Shared memory as files in the data folder: nothing stays in
# /dev/shm after a kill -9, and a container's 64 MB there do not matter. Commit times: load tests measure from them.
CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 128MB
dynamic_shared_memory_type = mmap
wal_level = minimal
max_wal_senders = 0
max_logical_replication_workers = 0
max_wal_size = 2GB
checkpoint_timeout = 15min
jit = off
track_commit_timestamp = on
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
log_min_error_statement = panic
"""
# For tests: what a power failure would lose, they do not need.
NOT_DURABLE = """
fsync = off
full_page_writes = off
synchronous_commit = off
"""


class PostgresServer(ServerProcess):
    """PostgreSQL with durable commits (unless told otherwise), a password, UTF-8, C locale and UTC."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": open sessions are ended, a checkpoint is written
    end_signal = signal.SIGQUIT  # "immediate": also frees its shared memory, which SIGKILL would not

    def __init__(
        self,
        folder: Path,
        port: int,
        supervisor: Supervisor,
        *,
        durable: bool,
        bin_folder: Path | None,
    ) -> None:
        self._password = secrets.token_urlsafe(18)
        super().__init__(folder, port, supervisor, (self._password,))
        self._data = folder / "data"
        self._durable = durable
        self._bin_folder = bin_folder
        self._programs = folder
        self._initdb: GuardedProcess | None = None

    @property
    def dsn(self) -> str:
        """The address of the database `defi`, with the password."""
        return self._dsn(DATABASE)

    def begin(self, start_up: StartUp) -> None:
        """Start `initdb` and return at once."""
        self._account = hand_over_to_unprivileged_account(self.folder)
        self._programs = self._make_programs_usable(start_up)
        password_file = self.folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password, encoding="ascii")
        if self._account is not None:
            os.chown(password_file, self._account.user, self._account.group)
        options = ["--username", USER, "--pwfile", str(password_file), "--auth", "scram-sha-256"]
        options += ["--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"]
        self._initdb = self.run([str(self._programs / "initdb"), "--pgdata", str(self._data), *options])

    def proceed(self, start_up: StartUp) -> None:
        """Wait for `initdb`, then start the server and return at once."""
        import psycopg  # noqa: F401, PLC0415  (80 ms, spent while initdb works)

        assert self._initdb is not None  # begin comes first
        while (code := self._initdb.poll()) is None:
            start_up.pause()
        if code != 0:
            raise self.failure("could not create its data folder")
        self._initdb = None
        (self.folder / "password").unlink()
        with (self._data / "postgresql.conf").open("a", encoding="ascii") as configuration:
            configuration.write(CONFIGURATION + ("" if self._durable else NOT_DURABLE))
        self.spawn()

    def prepare(self) -> None:
        """After a kill, the lock file names a process that is gone, or worse, somebody else's by now."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def command(self) -> list[str]:
        """See ServerProcess."""
        return [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port)]

    def answers(self) -> bool:
        """Whether a session can be opened."""
        import psycopg  # noqa: PLC0415

        try:
            psycopg.connect(self._dsn("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def wait_until_it_answers(self, start_up: StartUp) -> None:
        """Wait for the first session, and create the database the first time."""
        import psycopg  # noqa: PLC0415

        super().wait_until_it_answers(start_up)
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            try:
                connection.execute(f"CREATE DATABASE {DATABASE}")
            except psycopg.errors.DuplicateDatabase:
                pass
            except psycopg.errors.DiskFull as error:
                raise no_space_left(self.folder) from error

    def _dsn(self, database: str) -> str:
        return f"postgresql://{USER}:{self._password}@{LOOPBACK}:{self.port}/{database}"

    def _make_programs_usable(self, start_up: StartUp) -> Path:
        folder, is_wheel = binaries.postgres_folder(self._bin_folder)
        if self._account is None or others_can_run(folder / "postgres"):
            return folder
        if is_wheel:
            start_up.say("Copying PostgreSQL to where its user can run it")
            return _copied(folder.parents[1], self.folder / "programs") / "pginstall" / "bin"
        raise _unusable(folder, self._account)


def _copied(package: Path, target: Path) -> Path:
    """A copy of the wheel's package that every user may run, for a wheel in root's own home."""
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall" / part, target / package.name / "pginstall" / part, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # a Linux wheel's, found relative to the programs
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    return target / package.name


def _unusable(folder: Path, account: Account) -> StackError:
    return StackError(
        f"As root, PostgreSQL runs as the user {account.name}, who cannot run {folder}/postgres",
        "Give others read and execute permission there, or run rtp as an ordinary user",
    )
