"""`rtp run --demo` as newcomers run it: one command that brings everything along, and leaves nothing behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from core.settings.file import default_path
from core.stack import running_stacks
from tests.command import Command
from tests.effort import some
from tests.eventually import eventually
from tests.gateway import answer_of
from tests.leftovers import Place, own_place, processes_in
from tests.processes import kill_the_guard_below
from tests.rtp_process import ROOT, RtpProcess, command, rtp
from tests.terminal import Session, run_at_a_terminal
from tests.webhook_server import webhook_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(90)

EVENT = r"^\d\d:\d\d:\d\d\.\d{3}  (tvl|price|protocol) "

LIVELY = ("--rate", "500")
"""A market in which something significant happens at once."""


@pytest.fixture
def place() -> Iterator[Place]:
    with own_place() as place:
        yield place


@contextmanager
def demo(place: Place, *arguments: str) -> Iterator[RtpProcess]:
    """Run a demo of this place's own."""
    environ = place.environ | {"COLUMNS": "200"}
    with rtp("run", "--demo", *arguments, environ=environ) as process:
        yield process


def redis_of_the_running_demo(place: Place) -> redis.Redis:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in place.environ.items():
            patch.setenv(name, value)
        (stack,) = (one.addresses for one in running_stacks())
    return redis.Redis.from_url(stack.redis_url, decode_responses=True)


def cut_the_view_off_in_a_read(place: Place, process: RtpProcess) -> None:
    """Cut its connection until that hits a read: one that is cut between two reads is replaced without a word."""

    def has_noticed(client: redis.Redis) -> bool:
        for one in client.client_list():
            if one["name"] == "rtp-tail":
                client.client_kill_filter(_id=one["id"])
        return "trying again" in process.err

    # Before its first event it has no position to go on from, and a cut would end it.
    eventually(lambda: re.search(EVENT, process.out, re.MULTILINE))
    with redis_of_the_running_demo(place) as client:
        eventually(lambda: has_noticed(client))


# The simulated market.


@dataclass(frozen=True)
class Visit:
    """What a demo showed until Ctrl-C, what another terminal saw of it meanwhile, and what it left behind."""

    out: str
    err: str
    code: int
    servers: int
    tail: subprocess.CompletedProcess[str]
    leftovers: list[object]


@pytest.fixture(scope="module")
def visit() -> Iterator[Visit]:
    with own_place() as place, demo(place, *LIVELY, "--notify") as process:
        process.wait_for("status: ")
        process.wait_for("told desk/1: ")
        servers = len(processes_in(place.folder))
        with pytest.MonkeyPatch.context() as patch:
            for name in ("RTP_REDIS_URL", "RTP_POSTGRES_DSN"):
                patch.delenv(name, raising=False)
            for name, value in place.environ.items():
                patch.setenv(name, value)
            arguments = command("tail", "--count", "3", "--json")
            tail = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
        cut_the_view_off_in_a_read(place, process)
        process.wait_for("Redis answers again")
        code = process.end(signal.SIGINT)
        yield Visit(process.out, process.err, code, servers, tail, place.leftovers())


def test_it_says_that_its_market_is_simulated(visit: Visit) -> None:
    assert "The market is simulated (seed 1): real names, made-up numbers." in visit.err.splitlines()


def test_it_shows_events_as_they_come_out_of_redis_one_a_line_and_each_once(visit: Visit) -> None:
    lines = [line for line in visit.out.splitlines() if not line.startswith(("status: ", "told "))]
    assert all(re.match(EVENT, line) for line in lines)
    assert len(set(lines)) == len(lines) > 0


def test_it_shows_who_is_told_of_what_and_tells_nobody_elsewhere(visit: Visit) -> None:
    told = [line for line in visit.out.splitlines() if line.startswith("told ")]
    assert told
    assert all(re.match(r"told desk/1: (WARNING|CRITICAL): ", line) for line in told)
    assert "Notifications stay on this machine." in visit.err.splitlines()


def test_it_counts_the_alerts_that_come_out_of_sqs(visit: Visit) -> None:
    last = [line for line in visit.out.splitlines() if line.startswith("status: ")][-1]
    assert int(re.findall(r"; (\d+) alerts? taken from SQS", last)[0]) > 0


def test_without_a_terminal_its_output_is_plain(visit: Visit) -> None:
    assert (visit.out + visit.err).replace("\n", "").isprintable()


def test_a_lost_connection_of_its_view_is_told(visit: Visit) -> None:
    assert re.search(r"^Redis at redis://:\*\*\*@127\.0\.0\.1:\d+/0 .*; trying again$", visit.err, re.MULTILINE)


def test_rtp_tail_finds_it_by_itself(visit: Visit) -> None:
    found = [json.loads(line)["specversion"] for line in visit.tail.stdout.splitlines()]
    assert (visit.tail.returncode, found) == (0, ["1.0"] * 3)
    assert re.fullmatch(r"Looking at the running `rtp run --demo` [0-9-]+: PostgreSQL at \S+\n", visit.tail.stderr)


def test_ctrl_c_ends_it_well(visit: Visit) -> None:
    # A view that was cut off once more may be told behind it that Redis answers.
    last = [line for line in visit.err.splitlines() if line != "Redis answers again"][-1]
    assert (visit.code, re.sub(r"\d+(,\d{3})*", "N", last)) == (0, "Stopped. Delivered: redis N, sqs N.")


def test_ctrl_c_leaves_nothing_behind(visit: Visit) -> None:
    assert (visit.servers >= 3, visit.leftovers) == (True, [])


@pytest.fixture(scope="module")
def session() -> Iterator[tuple[Session, list[object]]]:
    """The same at a terminal, with what it left behind."""
    with own_place() as place:
        arguments = ("run", "--demo", *LIVELY)
        seen = run_at_a_terminal(*arguments, environ=place.environ, until="running", columns=80)
        yield seen, place.leftovers()


def test_at_a_terminal_there_is_the_board(session: tuple[Session, list[object]]) -> None:
    shown = session[0].plain
    assert all(word in shown for word in ("Movers", "Pegs 25", "Events", "Sinks", "taken from SQS"))


def test_ctrl_c_at_a_terminal_ends_it_well(session: tuple[Session, list[object]]) -> None:
    seen, leftovers = session
    assert (seen.code, "Stopped. Delivered: redis " in seen.plain, leftovers) == (0, True, [])


def test_the_terminal_is_left_as_it_was(session: tuple[Session, list[object]]) -> None:
    seen, _ = session
    assert (seen.settings_after, seen.is_cursor_shown) == (seen.settings_before, True)


def test_plain_lines_fit_the_terminal_above_a_table_of_the_sinks() -> None:
    with own_place() as place:
        arguments = ("run", "--demo", "--plain", *LIVELY)
        seen = run_at_a_terminal(*arguments, environ=place.environ, until="running", columns=80)
    shown = [line for line in seen.plain.replace("\r", "\n").split("\n") if line]
    events = [line for line in shown if re.match(r"\d\d:\d\d:\d\d (tvl|price|prot)", line)]
    sinks = [line for line in shown if re.match("(redis|sqs) +running", line)]
    assert (seen.code, len(set(events)), max(map(len, events + sinks)) <= 80) == (0, len(events), True)
    assert len(events) > 0 < len(sinks)


# Other ends.


def test_it_serves_its_page_and_sigterm_ends_it_as_ctrl_c_does(place: Place) -> None:
    with demo(place, "--serve", "--listen", "127.0.0.1:0") as process:
        process.wait_for("watch protocols")
        page = re.search(r"The page is at (http://127\.0\.0\.1:\d+)", process.err)
        assert page is not None
        assert b"<title>" in answer_of(page[1], "/").body
        assert (process.end(signal.SIGTERM), place.leftovers()) == (0, [])


MOMENTS = [
    "Starting PostgreSQL, Redis and SQS",
    "PostgreSQL answers",
    "SQS answers",
    "The market is simulated",
]


@pytest.mark.parametrize("moment", some(MOMENTS, 2))
def test_ctrl_c_while_it_starts_leaves_nothing_behind(place: Place, moment: str) -> None:
    with demo(place) as process:
        process.wait_for(moment)
        code = process.end(signal.SIGINT)
        assert (code, place.leftovers(), "Traceback" in process.err) == (0, [], False)


def test_ctrl_c_before_it_has_loaded_is_answered_quietly(place: Place) -> None:
    with rtp("run", "--demo", environ=place.environ | {"PYTHONPROFILEIMPORTTIME": "1"}) as process:
        process.wait_for("typer")  # one of the many modules that it tells of, and not one that coverage loads before
        code = process.end(signal.SIGINT)
        assert (code, "Traceback" in process.err) == (130, False)


@pytest.mark.parametrize("moment", ["Starting PostgreSQL, Redis and SQS", "watch protocols"])
def test_kill_9_leaves_nothing_behind(place: Place, moment: str) -> None:
    with demo(place) as process:
        process.wait_for(moment)
        process.end(signal.SIGKILL)
    eventually(lambda: place.leftovers() == [])


def test_it_ends_and_says_so_where_the_guard_of_its_servers_is_killed(place: Place) -> None:
    with demo(place) as process:
        process.wait_for("watch protocols")
        kill_the_guard_below(process.process.pid)
        assert (process.end(), "guards the embedded stack has ended" in process.err) == (2, True)


def test_it_ends_by_itself_when_its_time_is_over(place: Place) -> None:
    with demo(place, "--for", "500ms") as process:
        assert (process.end(), place.leftovers()) == (0, [])


# A replay.

HISTORY = """\
time,protocol,chain,tvl_usd
2024-03-19T00:00:00Z,lido,ethereum,1000000
2024-03-19T00:00:00Z,aave-v3,base,500
2024-03-19T01:00:00Z,lido,ethereum,1005000
2024-03-19T02:00:00Z,lido,ethereum,1020000
2024-03-19T02:00:00Z,aave-v3,base,490
2024-03-19T03:00:00Z,lido,ethereum,1020000.25
2024-03-19T04:00:00Z,aave-v3,base,0
"""
SIGNIFICANT = [("aave-v3", "500", "490"), ("aave-v3", "490", "0"), ("lido", "1000000", "1020000")]


@dataclass(frozen=True)
class Replay:
    """What came of a small history, played at full speed to its end."""

    documents: list[Any]
    err: str
    code: int
    leftovers: list[object]

    def told(self, what: str) -> list[tuple[str, str, str]]:
        """The events or alerts that were shown: whose, from where, to where."""
        found = [document[what]["data"] for document in self.documents if what in document]
        return sorted((data["entity"], data["previous"], data["current"]) for data in found)


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    file = tmp_path_factory.mktemp("feed") / "[dim]history.csv"
    file.write_text(HISTORY, encoding="utf-8")
    with (
        own_place() as place,
        demo(place, "--feed", str(file), "--speed", "max", "--until-idle", "--json") as process,
    ):
        code = process.end()
        return Replay(process.documents, process.err, code, place.leftovers())


def test_a_replay_says_what_it_replays(replay: Replay) -> None:
    assert "Replaying [dim]history.csv at max." in replay.err.splitlines()


def test_a_replay_shows_every_significant_change_as_an_event(replay: Replay) -> None:
    assert replay.told("event") == sorted(SIGNIFICANT)


def test_a_replay_shows_every_significant_change_as_an_alert(replay: Replay) -> None:
    assert replay.told("alert") == sorted(SIGNIFICANT)


def test_a_replay_ends_when_all_of_it_is_delivered(replay: Replay) -> None:
    delivered = [sink["delivered"] for sink in replay.documents[-1]["status"]["sinks"]]
    assert (replay.code, delivered) == (0, [len(SIGNIFICANT)] * 2)


def test_a_replay_leaves_nothing_behind(replay: Replay) -> None:
    assert replay.leftovers == []


def test_made_up_events_go_to_none_of_the_files_webhooks(place: Place, tmp_path: Path) -> None:
    feed, config = tmp_path / "history.csv", tmp_path / "rtp.yaml"
    feed.write_text(HISTORY, encoding="utf-8")
    with webhook_server() as server:
        config.write_text(f"{default_path().read_text(encoding='utf-8')}\nwebhook: {{url: '{server.url}'}}\n")
        with demo(place, "-c", str(config), "--feed", str(feed), "--speed", "max", "--until-idle", "--json") as process:
            code = process.end()
            sinks = [sink["sink"] for sink in process.documents[-1]["status"]["sinks"]]
        assert (code, sinks, server.posted) == (0, ["redis", "sqs"], [])


def test_a_bad_line_in_the_middle_ends_it_with_that_line(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(HISTORY + "2024-03-19T05:00:00Z,lido,ethereum,lots\n", encoding="utf-8")
    with demo(place, "--feed", str(file), "--speed", "max") as process:
        code, last = process.end(), process.err.splitlines()[-1]
    complaint = f"{file}, line 9: tvl_usd 'lots' is not a finite decimal number. Correct or remove the line"
    assert (code, last, place.leftovers()) == (2, complaint, [])


# What it cannot run with is said before any server starts.


Refusal = Callable[..., str]


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Place) -> Refusal:
    """The one line that `rtp run` ends with, at once and with exit code 2."""
    for name, value in place.environ.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> str:
        done = Command(capsys, monkeypatch)("run", *arguments)
        assert (done.code, done.out, place.leftovers()) == (2, "", [])
        (line,) = done.err.splitlines()
        return line

    return run


def test_a_header_that_does_not_fit_is_one_line_with_the_files_name(refusal: Refusal, tmp_path: Path) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text("day,coin,usd\n2024-03-19,usdc,1\n", encoding="utf-8")
    assert refusal("--demo", "--feed", str(file)).startswith(
        f"{file} has columns that fit no feed: 'day, coin, usd'. Accepted headers are TVL: time, protocol"
    )


def test_a_feed_that_is_not_there_is_named(refusal: Refusal, tmp_path: Path) -> None:
    file = tmp_path / "none.csv"
    assert refusal("--demo", "--feed", str(file)).startswith(f"{file} cannot be read: No such file or directory.")


def test_a_settings_file_with_a_mistake_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    file = tmp_path / "rtp.yaml"
    text = default_path().read_text(encoding="utf-8").replace("poll_interval_ms: 2 ", "poll_interval_ms: -2")
    file.write_text(text, encoding="utf-8")
    assert re.match(rf"{file}:\d+: run\.poll_interval_ms: ", refusal("--demo", "-c", str(file)))


def test_a_state_folder_that_cannot_be_made_is_named(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RTP_STATE_DIR", str(tmp_path / "file" / "state"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert refusal("--demo").startswith(f"Cannot write {tmp_path}/file/state/stack-")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--demo", "--until-idle"), "the simulated market never ends"),
        (("--demo", "--redis-url", "redis://x"), "option --redis-url does not fit here: --demo brings its own servers"),
        (("--demo", "--speed", "1x"), "option --speed does not fit here: it needs --feed"),
        (("--demo", "--rate", "0"), "option --rate: must be a number of updates per second, from 0.1 to 100000"),
        (("--demo", "--seed", "x"), "option --seed: must be a whole number, 0 or more"),
        (("--demo", "--for", "soon"), "option --for: must be a duration like 500ms, 30s, 5m or 1h, not 'soon'"),
        (("--seed", "1"), "option --seed does not fit here: it needs --demo"),
        (("--feed", "x.csv"), "option --feed does not fit here: it needs --demo"),
    ],
)
def test_options_that_do_not_fit_are_refused(refusal: Refusal, arguments: tuple[str, ...], complaint: str) -> None:
    assert refusal(*arguments).startswith(complaint)
