"""Commands that find a running demo: where several run they name the one they look at, and can be told which."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from core.stack.state import StateFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.stack import EmbeddedStack
    from tests.command import Command

ROUTE = ("route", "--kind", "tvl", "--protocol", "lido")
COMMANDS = [
    *(ROUTE, ("status",), ("tail",), ("validate",), ("grants",), ("serve",), ("top", "--json")),
    *(("explain", "--kind", "tvl", "--protocol", "x"), ("forget", "--kind", "tvl", "--protocol", "x")),
    ("reset-cursor", "--sink", "redis", "--to", "latest"),
    *(("cache", "stats"), ("cache", "clear", "--all"), ("cache", "warm")),
    ("cache", "get", "--kind", "tvl", "--chain", "x", "--protocol", "x"),
    *(("dlq", "list"), ("dlq", "show", "1"), ("dlq", "retry", "--all"), ("dlq", "drop", "--all", "--yes")),
]


@pytest.fixture
def two_demos(stack: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An older demo, 7, and a newer one, 9."""
    monkeypatch.setenv("RTP_STATE_DIR", str(tmp_path))
    with ExitStack() as exits:
        for name in ("7", "9"):
            file = StateFile(f"stack-{name}.json", tmp_path / name)
            exits.callback(file.remove)
            file.write(stack.addresses)
        yield


@pytest.mark.usefixtures("two_demos")
def test_the_newest_is_looked_at_and_all_are_named(command: Command) -> None:
    done = command(*ROUTE)
    assert done.err.startswith("Looking at the running `rtp run --demo` 9 (of 9 and 7; --stack chooses): PostgreSQL at")


@pytest.mark.usefixtures("two_demos")
def test_one_is_chosen_by_its_name_whatever_the_environment_says(command: Command) -> None:
    done = command(*ROUTE, "--stack", "7", environ={"RTP_POSTGRES_DSN": "postgresql://elsewhere/x"})
    assert done.err.startswith("Looking at the running `rtp run --demo` 7 ")


@pytest.mark.usefixtures("two_demos")
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_name_that_no_demo_has_is_one_line(command: Command, arguments: tuple[str, ...]) -> None:
    done = command(*arguments, "--stack", "8")
    assert (done.code, done.out) == (2, "")
    assert done.err == "option --stack: no running `rtp run --demo` is called '8'. There are 9 and 7\n"


@pytest.mark.usefixtures("two_demos")
def test_a_demo_and_a_server_exclude_each_other(command: Command) -> None:
    done = command("status", "--stack", "7", "--postgres-dsn", "postgresql://elsewhere/x")
    assert (done.code, done.out) == (2, "")
    assert done.err == "option --postgres-dsn does not fit here: --stack brings its own servers\n"
