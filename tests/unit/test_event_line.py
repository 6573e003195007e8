"""The line that people read: what is in it, and what cannot get into it."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs
from rich.cells import cell_len
from rich.console import Console

from cli.event_line import event_line
from core.amounts import move, percent, spelled
from core.kinds import SHIPPED, Kind
from tests.samples import NOON, make_event

LOCAL_NOON = NOON.astimezone()


def line(entity: str = "lido", *, delivered_at_ms: int | None = None, **columns: Any) -> str:
    return event_line(make_event(1, entity, **columns), delivered_at_ms=delivered_at_ms, now=NOON).plain


def metadata(**columns: Any) -> str:
    return line(kind="protocol", previous=None, current=None, change=None, change_pct=None, **columns)


def test_a_move_is_told_in_one_line() -> None:
    told = line(previous="16800000000", current="16980000000", change_pct="1.0714", reason="deviation")
    assert told.split() == [
        f"{LOCAL_NOON:%H:%M:%S}.000",
        *("tvl", "ethereum", "lido", "$16.80B", "→", "$16.98B", "+1.07%", "deviation"),
    ]


def test_a_market_wide_move_is_told_with_how_many_and_its_members_as_such() -> None:
    moved = '{"direction": "down", "moved_entities": 37, "watched_entities": 100}'
    market = line("prices", kind="market", chain="all", reason="market_moved", details=moved)
    assert market.split()[1:4] + market.split()[-5:] == [
        *("market", "all", "prices"),
        *["market", "moved:", "37", "of", "100"],
    ]
    assert line(details='{"market": "id"}').endswith("deviation, market-wide")


def test_lines_are_aligned() -> None:
    lines = [line("lido"), line("uniswap-v3", current="1000000000"), line("x", kind="price", chain="base")]
    assert len({told.index("→") for told in lines}) == 1


def test_wide_characters_are_aligned_by_cells() -> None:
    assert line("中文").index("→") == line("abcd").index("→") - 2


def test_another_day_is_shown_as_a_date() -> None:
    earlier = NOON - timedelta(days=200)
    assert line(detected_at=earlier).startswith(f"{earlier.astimezone():%b %d %H:%M}  tvl")


@pytest.mark.parametrize(("after_ms", "shown"), [(3, "3 ms"), (2500, "2,500 ms"), (0, "0 ms"), (-50, None)])
def test_latency_is_shown_where_the_clocks_agree(after_ms: int, shown: str | None) -> None:
    told = line(delivered_at_ms=int(NOON.timestamp() * 1000) + after_ms)
    assert told.endswith(shown) if shown else "ms" not in told


@pytest.mark.parametrize(
    ("chain", "told"), [("ethereum", "renamed from lido-dao"), ("base", "renamed from base/lido-dao")]
)
def test_an_entity_that_is_called_otherwise_is_told_with_its_former_name(chain: str, told: str) -> None:
    former = {"previous_chain": chain, "previous_entity": "lido-dao"}
    assert told in line(reason="renamed", details=json.dumps(former))


def test_a_deletion_by_the_time_to_live_is_told_as_such() -> None:
    deletion = make_event(1, current=None, change=None, change_pct=None, reason="deleted")
    assert event_line(structs.replace(deletion, deletedby="ttl"), now=NOON).plain.split()[-2:] == ["deleted", "expired"]
    assert "expired" not in event_line(deletion, now=NOON).plain


def test_severity_is_shown_when_it_is_one() -> None:
    assert line(severity="critical").endswith("critical")
    assert "info" not in line(severity="info")


def test_a_move_from_zero_is_infinite() -> None:
    assert "$0 → $5.00" in line(previous="0", current="5", change_pct=None, reason="from_zero")
    assert "+∞%" in line(previous="0", current="5", change_pct=None, reason="from_zero")
    assert "-∞%" in line(previous="0", current="-5", change_pct=None, reason="from_zero")


def test_metadata_lists_each_changed_field() -> None:
    fields = {"category": {"previous": "Dexes", "current": "Lending"}, "audits": {"previous": None, "current": 3}}
    assert metadata(reason="changed", fields=json.dumps(fields)).endswith("category: Dexes → Lending, audits: – → 3")


def test_a_protocol_that_comes_or_goes_shows_the_side_there_is() -> None:
    come = {"name": {"previous": None, "current": "Lido"}, "parent": {"previous": None, "current": None}}
    gone = {"name": {"previous": "Lido", "current": None}}
    assert metadata(reason="added", fields=json.dumps(come)).endswith("added  name: Lido")
    assert metadata(reason="removed", fields=json.dumps(gone)).endswith("removed  name: Lido")
    assert metadata(reason="removed", fields=None).endswith("removed")


HOSTILE = "a\x1b[31m\r\n\x07\x9b2J\u202e[bold red]x[/]\x00"


@pytest.mark.parametrize("place", ["entity", "chain", "field", "value"])
def test_data_cannot_act_on_the_terminal(place: str) -> None:
    hostile = HOSTILE.replace("\x00", "")  # PostgreSQL's text has none
    columns: dict[str, Any] = {"entity": hostile} if place == "entity" else {}
    if place == "chain":
        columns["chain"] = hostile
    if place in ("field", "value"):
        name, value = (hostile, "x") if place == "field" else ("name", hostile)
        fields = json.dumps({name: {"previous": value, "current": None}})
        columns |= {"kind": "protocol", "reason": "changed", "fields": fields}
    output = io.StringIO()
    console = Console(file=output, highlight=False, color_system=None)
    console.print(event_line(make_event(1, **columns), now=NOON), soft_wrap=True)
    shown = output.getvalue()
    assert "a�[31m����2J�[bold red]x[/]" in shown
    assert shown.removesuffix("\n").isprintable()


def test_a_long_name_is_cut() -> None:
    told = line("x" * 10_000, chain="y" * 10_000)
    assert len(told) < 200
    assert "x…" in told


def fitted(width: int, entity: str = "lido", **columns: Any) -> str:
    return event_line(make_event(1, entity, **columns), delivered_at_ms=0, now=NOON, width=width).plain


def test_a_terminal_of_80_columns_shows_what_happened_where_by_how_much_why_and_how_bad() -> None:
    told = fitted(80, kind="price", chain="hyperliquid", current="21.382", change_pct="-5.2", severity="critical")
    assert told.split() == [
        f"{LOCAL_NOON:%H:%M:%S}",
        *("price", "hyperli…", "lido", "$21.382", "-5.20%", "deviation", "critical"),
    ]


@pytest.mark.parametrize("width", [20, 40, 78, 80, 100, 103, 126, 200])
def test_a_line_is_never_wider_than_it_may_be_whatever_it_is_about(width: int) -> None:
    fields = json.dumps({"name": {"previous": "中文" * 40, "current": "x" * 90}})
    lines = [
        fitted(width, severity="critical"),
        fitted(width, "中文" * 40, chain="y" * 90, current="0.0000084368", reason="repeg", duration_seconds=86_400.0),
        fitted(width, kind="protocol", reason="changed", fields=fields),
        fitted(width, detected_at=NOON - timedelta(days=200)),
    ]
    assert max(cell_len(told) for told in lines) <= width


@pytest.mark.parametrize("width", [60, 80, 110, 140])
def test_lines_of_one_width_are_aligned(width: int) -> None:
    lines = [fitted(width, "lido"), fitted(width, "x" * 60, kind="price", chain="base"), fitted(width, "中文")]
    assert len({cell_len(told[: told.index("+")]) for told in lines}) == 1


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "–"),
        ("0", "$0"),
        ("0.00", "$0"),
        ("2480.31", "$2,480.31"),
        ("999.999", "$1,000.00"),
        ("1.0003", "$1.0003"),
        ("0.9998", "$0.9998"),
        ("0.000012345678", "$0.000012346"),
        ("0.0000000000123", "$1.230e-11"),
        ("999999.99", "$1.00M"),
        ("1234567890", "$1.23B"),
        ("999999999", "$1.00B"),
        ("24300000000000", "$24.30T"),
        ("1" + "0" * 200, "$1.00e+200"),
        ("-1234567890", "-$1.23B"),
        ("NaN", "NaN"),
        ("Infinity", "∞"),
        ("-Infinity", "-∞"),
    ],
)
def test_amounts_are_humanised(amount: str | None, shown: str) -> None:
    assert spelled(amount, SHIPPED["tvl"]) == shown


def test_amounts_are_shown_as_their_kind_has_them() -> None:
    assert spelled("-5.2", Kind("apy", "pool", suffix="%")) == "-5.20%"


@pytest.mark.parametrize(
    ("previous", "current", "shown"),
    [
        ("16800000000", "16980000000", ("$16.80B", "$16.98B")),
        ("16800000000", "16801000000", ("$16.800B", "$16.801B")),
        ("2480.310", "2480.311", ("$2,480.31", "$2,480.311")),
        ("5", "5", ("$5.00", "$5.00")),
    ],
)
def test_a_move_has_the_digits_to_see_it(previous: str, current: str, shown: tuple[str, str]) -> None:
    assert move(previous, current, SHIPPED["tvl"]) == shown


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ("1.0714", "+1.07%"),
        ("-12.3", "-12.30%"),
        ("0.00123", "+0.0012%"),
        ("-100", "-100.00%"),
        ("123456", "+123,456.00%"),
        ("8100000000", "+8.1e+9%"),
        ("0", "0%"),
    ],
)
def test_percentages_are_signed(change: str, shown: str) -> None:
    assert percent(change) == shown
