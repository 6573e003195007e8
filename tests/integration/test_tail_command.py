"""`rtp tail` as people run it: its output and its exit code; a process of its own where it does not end by itself."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TextIO

import pytest
import redis
from rich.cells import cell_len

from core.settings.file import default_path
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from rtp_client.keys import STREAM
from tests.command import Command, Done
from tests.eventually import eventually
from tests.forked import ForkedProcess, fork_rtp
from tests.samples import make_event
from tests.terminal import run_at_a_terminal

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = [
    make_event(1),
    make_event(2, "uniswap-v3", chain="base", change_pct="-7.5", current="92.50", severity="warning"),
    make_event(3, "eth", kind="price", change_pct="0.2"),
    make_event(
        4, kind="protocol", reason="changed", change_pct=None, fields='{"audits": {"previous": 1, "current": 2}}'
    ),
    make_event(5, change_pct=None, previous="0", reason="from_zero"),
]

Tail = Callable[..., Done]


@dataclass(frozen=True)
class Tailing:
    """A running `rtp tail`."""

    process: ForkedProcess
    stdout: TextIO
    stderr: TextIO


StartTail = Callable[..., Tailing]


@pytest.fixture
def sink(redis_url: str) -> Iterator[RedisSink]:
    with closing(RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.001)) as sink:
        yield sink


@pytest.fixture
def environment(redis_url: str, tmp_path: Path) -> dict[str, str]:
    """Redis by its variable, and no stack of its own to be found."""
    return {"RTP_REDIS_URL": redis_url, "RTP_STATE_DIR": str(tmp_path / "state"), "TERM": "dumb", "COLUMNS": "200"}


@pytest.fixture
def start_tail(environment: dict[str, str]) -> Iterator[StartTail]:
    """Starts `rtp tail`; what still runs after the test is ended."""
    with ExitStack() as ended:

        def pipe() -> tuple[TextIO, BinaryIO]:
            reading, writing = os.pipe()
            return ended.enter_context(os.fdopen(reading, encoding="utf-8")), os.fdopen(writing, "wb")

        def start(*arguments: str) -> Tailing:
            inherited = {name: value for name, value in os.environ.items() if not name.startswith("RTP_")}
            (stdout, out), (stderr, err) = pipe(), pipe()
            with out, err:
                process = fork_rtp(["tail", *arguments], inherited | environment, out, err)
            ended.callback(process.wait)
            ended.callback(process.kill)
            return Tailing(process, stdout, stderr)

        yield start


@pytest.fixture
def tail(command: Command, environment: dict[str, str]) -> Tail:
    """Runs `rtp tail` to its end."""

    def run(*arguments: str) -> Done:
        return command("tail", *arguments, environ=environment)

    return run


def sequences(ran: Done) -> list[int]:
    assert ran.code == 0, ran.err
    return [int(json.loads(line)["sequence"]) for line in ran.out.splitlines()]


def test_json_is_what_was_published_and_count_ends_it(sink: RedisSink, tail: Tail) -> None:
    sink.deliver(EVENTS)
    ran = tail("--json", "--since", "0", "--count", "5")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.encode() == b"".join(event.json_bytes + b"\n" for event in EVENTS)


def test_people_get_a_line_per_event_and_no_escape_codes(sink: RedisSink, tail: Tail) -> None:
    sink.deliver(EVENTS)
    ran = tail("--since", "0", "--count", "5")
    lines = ran.out.splitlines()
    assert (ran.code, ran.err, len(lines)) == (0, "", 5)
    for told, words in zip(lines, ("+2.50%", "uniswap-v3", "eth", "audits: 1 → 2", "+∞%"), strict=True):
        assert words in told
    assert ran.out.replace("\n", "").isprintable()


RISING = [
    make_event(number, "eth", kind="price", previous=str(99 + number), current=str(100 + number))
    for number in range(1, 4)
]


def test_a_chart_is_the_entitys_last_values_at_the_end_of_its_lines(sink: RedisSink, tail: Tail) -> None:
    sink.deliver(RISING)
    lines = tail("--chart", "--since", "0", "--count", "3").out.splitlines()
    assert [line.split()[-1] for line in lines] == ["▁█", "▁▅█", "▁▃▆█"]


def test_at_a_terminal_a_line_fits_and_the_entity_that_is_named_is_plotted(
    sink: RedisSink, environment: dict[str, str]
) -> None:
    sink.deliver(RISING)
    del environment["COLUMNS"]
    arguments = ("tail", "--chart", "--since", "0", "--entity", "ETH")
    seen = run_at_a_terminal(*arguments, environ=environment, until="$103.00", columns=80)
    shown = seen.plain.splitlines()
    assert (seen.code, seen.is_cursor_shown) == (0, True)
    assert {"\u2800"} < set("".join(shown)) & {chr(dots) for dots in range(0x2800, 0x2900)}
    told = [line for line in shown if "deviation" in line]
    assert len(told) == 3
    assert max(map(cell_len, told)) <= 80
    assert "price ethereum/eth since" in seen.plain


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--kind", "price"), [3]),
        (("--kind", "TVL", "--chain", "Ethereum"), [1, 5]),
        (("--protocol", "UNI*"), [2]),
        (("--token", "eth"), [3]),
        (("--min-pct", "2.5"), [1, 2, 5]),
        (("--severity", "Warning"), [2]),
        (("--reason", "changed", "--reason", "FROM_ZERO"), [4, 5]),
        (("--since", "00000000000000000002", "--kind", "tvl"), [5]),
    ],
)
def test_options_choose(sink: RedisSink, tail: Tail, options: tuple[str, ...], expected: list[int]) -> None:
    sink.deliver(EVENTS)
    assert sequences(tail("--json", "--since", "0", *options, "--count", str(len(expected)))) == expected


def test_live_until_ctrl_c(sink: RedisSink, start_tail: StartTail, redis_url: str) -> None:
    sink.deliver(EVENTS[:1])
    tailing = start_tail("--json")
    with closing(redis.Redis.from_url(redis_url, decode_responses=True)) as client:
        eventually(lambda: [one for one in client.client_list() if one["name"] == "rtp-tail" and one["cmd"] == "xread"])
    sink.deliver(EVENTS[1:2])
    assert json.loads(tailing.stdout.readline())["sequence"] == EVENTS[1].sequence
    tailing.process.send_signal(signal.SIGINT)
    assert (tailing.process.wait(timeout=10), tailing.stdout.read(), tailing.stderr.read()) == (0, "", "")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_that_leaves_ends_it_quietly(sink: RedisSink, start_tail: StartTail, options: tuple[str, ...]) -> None:
    sink.deliver([make_event(sequence) for sequence in range(1, 3000)])
    tailing = start_tail("--since", "0", *options)
    tailing.stdout.readline()
    tailing.stdout.close()
    tailing.process.wait(timeout=20)
    assert tailing.stderr.read() == ""


def test_it_ends_at_once_when_its_reader_leaves_though_no_event_comes(sink: RedisSink, start_tail: StartTail) -> None:
    sink.deliver(EVENTS[:1])
    tailing = start_tail("--since", "0")
    tailing.stdout.readline()
    tailing.stdout.close()
    assert tailing.process.wait(timeout=20) == 0


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--count", "-1", "option --count: must be a whole number, 1 or more"),
        ("--count", "0", "option --count: must be a whole number, 1 or more"),
        ("--min-pct", "nan", "option --min-pct: must be a number of percent, 0 or more"),
        ("--min-pct", "-1", "option --min-pct: must be a number of percent, 0 or more"),
        ("--min-pct", "much", "option --min-pct: must be a number of percent, 0 or more"),
        ("--since", "yesterday", "option --since: must be an event's sequence"),
        ("--since", "-1", "option --since: must be an event's sequence"),
        ("--severity", "high", "option --severity: must be one of info, warning, critical, not 'high'"),
        ("--reason", "crash", "option --reason: must be one of deviation, from_zero,"),
        ("--kind", "a kind", "option --kind: 'a kind' is no kind's name. rtp's own are tvl, price, protocol"),
        ("--redis-url", "localhost:6379", "option --redis-url: must start with"),
        ("--redis-url", "redis://:s3cret@127.0.0.1:1", "Redis at redis://:***@127.0.0.1:1 is not reachable"),
    ],
)
def test_a_wrong_value_is_one_clear_line(tail: Tail, option: str, value: str, complaint: str) -> None:
    ran = tail(option, value)
    assert (ran.code, ran.out) == (2, "")
    assert complaint in ran.err
    assert ran.err.count("\n") == 1
    assert "s3cret" not in ran.err


def test_without_any_redis_it_says_what_to_do(environment: dict[str, str], tail: Tail) -> None:
    del environment["RTP_REDIS_URL"]
    ran = tail()
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "there is no Redis address" in ran.err
    assert "--redis-url" in ran.err


def test_the_option_is_stronger_than_the_environment(
    sink: RedisSink, redis_url: str, environment: dict[str, str], tail: Tail
) -> None:
    sink.deliver(EVENTS)
    environment["RTP_REDIS_URL"] = "redis://127.0.0.1:1"
    assert sequences(tail("--json", "--since", "4", "--count", "1", "--redis-url", redis_url)) == [5]


def test_the_settings_file_is_asked_before_a_running_stack(
    sink: RedisSink, redis_url: str, environment: dict[str, str], tail: Tail, tmp_path: Path
) -> None:
    sink.deliver(EVENTS)
    del environment["RTP_REDIS_URL"]
    settings = default_path().read_text(encoding="utf-8")
    config = tmp_path / "rtp.yaml"
    config.write_text(settings.replace("redis:\n", f"redis:\n  url: {redis_url}\n", 1), encoding="utf-8")
    assert sequences(tail("--json", "--since", "4", "--count", "1", "--config", str(config))) == [5]


def test_a_running_stack_is_found(sink: RedisSink, environment: dict[str, str], tail: Tail) -> None:
    sink.deliver(EVENTS)
    del environment["RTP_REDIS_URL"]
    environment["RTP_STATE_DIR"] = os.environ["RTP_STATE_DIR"]  # the session's stack's
    assert sequences(tail("--json", "--since", "4", "--count", "1")) == [5]


def test_a_gap_is_told_on_standard_error(sink: RedisSink, redis_url: str, tail: Tail) -> None:
    sink.deliver(EVENTS)
    with closing(redis.Redis.from_url(redis_url)) as client:
        client.xtrim(STREAM, maxlen=2, approximate=False)
    ran = tail("--json", "--since", "1", "--count", "2")
    assert sequences(ran) == [4, 5]
    assert ran.err == "the stream begins at sequence 4; older events are no longer in Redis\n"


def test_help_has_an_example(tail: Tail) -> None:
    ran = tail("--help")
    assert ran.code == 0
    assert "Example: rtp tail" in ran.out
