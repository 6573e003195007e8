"""Tables for people: in a narrow terminal, words stay whole as long as that can be."""

from __future__ import annotations

import pytest
from rich.console import Console

from cli.output import out
from cli.tables import new_table, remarks

HEADERS = ("watch", "table", "held", "oldest sample")
ROWS = [("prices", "public.price_of_token", 0, None), ("tvl", "public.tvl", 2, None)]


def lines_at(width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(out, "width", width)
    console = Console(width=width)
    with console.capture() as captured:
        console.print(new_table("Watches", *HEADERS, rows=ROWS))
    return [" ".join(line.split()) for line in captured.get().splitlines()]


def test_a_column_that_says_nothing_makes_room_where_the_table_is_too_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines_at(40, monkeypatch)[2:] == ["watch table held", "prices public.price_of_token 0", "tvl public.tvl 2"]


def test_it_stays_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines_at(80, monkeypatch)[2] == "watch table held oldest sample"


def test_a_remark_stays_whole_however_narrow_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("prices", "public.price_of_token", 100_000, remarks([("NOT ARMED", "red"), ("catching up", "")]))]
    monkeypatch.setattr(out, "width", 36)
    console = Console(width=36)
    with console.capture() as captured:
        console.print(new_table("Watches", "watch", "table", "entities", "", rows=rows))
    shown = captured.get().splitlines()
    assert all(any(remark in line for line in shown) for remark in ("NOT ARMED", "catching up"))
