"""What people read of one alert, and of several that are folded into a message."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import SettingsError
from core.kinds import SHIPPED as KINDS
from core.kinds import Kind
from core.log.rows import LogRow
from core.notify.words.compose import Appeal, compose
from core.notify.words.dialects import HTML, MARKDOWN, SLACK, TEXT
from core.notify.words.manner import PLAIN, Manner
from core.notify.words.message import Message
from core.notify.words.templates import SHIPPED, TemplateFailed, template_of
from core.notify.words.view import Background
from core.settings.watches import watch_model
from rtp_client.event import Event, Reason, Severity
from tests.samples import make_event

CHAT = Manner("markdown", MARKDOWN, body_length=2000, title_length=0)
PRICES = watch_model(KINDS["price"]).model_validate(
    {
        "kind": "price",
        "table": "prices",
        "columns": {"token": "token", "value": "usd"},
        "peg": 1,
        "moves": [{"over": "1h", "percent": 5}],
        "market": {},
    }
)
BACKGROUND = Background({**KINDS, "apy": Kind("apy", "pool", suffix="%")}, {"price": PRICES}, "https://rtp.example")


def price(number: int = 1, entity: str = "usdc", **columns: Any) -> Event:
    """A price's event."""
    usual: dict[str, Any] = {
        "previous": "1.00",
        "current": "0.968",
        "change": "-0.032",
        "change_pct": "-3.2",
        "confidence": 0.979,
    }
    given = {"watch": "price", "kind": "price"} | usual | columns
    details = {name: given.pop(name) for name in given.keys() - LogRow._fields}
    return make_event(number, entity, details=json.dumps(details) if details else None, **given)


def said(*events: Event, manner: Manner = PLAIN, appeal: Appeal | None = None) -> Message:
    return compose(events, SHIPPED, manner, BACKGROUND, appeal)


FIELDS = '{"category": {"previous": "Lending", "current": "Yield"}, "tags": {"previous": null, "current": ["a"]}}'


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({"reason": "deviation"}, "usdc price fell 3.20%, $1.00 → $0.968, on ethereum, 97% sure"),
        (
            {"reason": "depeg", "severity": "critical"},
            "CRITICAL: usdc price left its peg: it fell 3.20%, $1.00 → $0.968, on ethereum, 97% sure",
        ),
        (
            {"reason": "escalated", "severity": "warning"},
            "WARNING: usdc price is further off its peg: it fell 3.20%, $1.00 → $0.968, on ethereum, 97% sure",
        ),
        (
            {"reason": "repeg", "duration_seconds": 7500.0, "change_pct": "3.2", "current": "1.032"},
            "usdc price is back at its peg after 2 h 5 min: it rose 3.20%, $1.00 → $1.032, on ethereum, 97% sure",
        ),
        (
            {"reason": "moved", "over_seconds": 3600.0, "chain": "all"},
            "usdc price fell 3.20% within 1 h, $1.00 → $0.968, 97% sure",
        ),
        (
            {"reason": "to_null", "current": None, "change_pct": None},
            "usdc price has no value any more, $1.00 → –, on ethereum, 97% sure",
        ),
        (
            {"reason": "deleted", "current": None, "change_pct": None},
            "usdc price is gone, $1.00 → –, on ethereum, 97% sure",
        ),
        (
            {"reason": "renamed", "current": "1.00", "previous_chain": "bsc", "previous_entity": "usd-coin"},
            "the price of usd-coin on bsc is that of usdc now, $1.00, on ethereum, 97% sure",
        ),
        (
            {"kind": "apy", "previous": "4", "current": "4.5", "change_pct": "12.5"},
            "usdc apy rose 12.50%, 4.00% → 4.50%, on ethereum, 97% sure",
        ),
        (
            {"kind": "protocol", "reason": "changed", "fields": FIELDS, "confidence": 1.0},
            "usdc has another category and tags, on ethereum, 100% sure",
        ),
        ({"kind": "protocol", "reason": "removed", "fields": FIELDS}, "usdc was removed, on ethereum, 97% sure"),
        (
            {
                "kind": "market",
                "reason": "market_moved",
                "direction": "down",
                "moved_entities": 43,
                "watched_entities": 120,
            },
            "market-wide move down: 43 of 120 entities of the watch usdc, 3.20% by the median, 97% sure",
        ),
    ],
    ids=lambda one: one.get("reason", "own kind") if isinstance(one, dict) else "",
)
def test_the_first_line_says_what_by_how_much_from_what_to_what_where_and_how_sure(
    columns: dict[str, Any], line: str
) -> None:
    assert said(price(**columns)).title == line


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason != Reason.MARKET_MOVED])
def test_every_reason_has_words(reason: Reason) -> None:
    fields = FIELDS if reason in {"added", "changed", "removed"} else None
    assert "usdc" in said(price(reason=reason, fields=fields)).title


def test_then_comes_since_when_the_rule_and_where_to_look() -> None:
    event = price(reason="depeg", off_since="2024-03-19T11:00:00.000000Z", lowest="0.95")
    assert said(event).body.splitlines() == [
        "Off its peg since 2024-03-19 11:00:00Z, lowest 0.95",
        "Source: llama",
        "Changed 2024-03-19 12:00:00Z",
        "Rule: A value 50 basis points or more off its peg of 1 is an event, and so is its way back within 25,"
        " whatever the size.",
        "Details: https://rtp.example/#/entity/price/ethereum/usdc",
    ]


def test_fields_of_metadata_are_told_each() -> None:
    body = said(price(kind="protocol", reason="changed", fields=FIELDS)).body
    assert 'category: Lending → Yield\ntags: – → ["a"]\n' in body


def test_whoever_reads_it_is_asked_to_acknowledge() -> None:
    by_link = Appeal("a1", link="https://rtp.example/ack/a1", tells="boss", within="10 min")
    assert said(price(), appeal=by_link).body.endswith(
        "Acknowledge: https://rtp.example/ack/a1\nOtherwise boss is told in 10 min"
    )
    escalated = Appeal("a1", unanswered_by="desk", waited="10 min")
    assert said(price(), appeal=escalated).body.endswith(
        "desk has not acknowledged this within 10 min\nAcknowledge: rtp notify ack a1"
    )


def test_several_alerts_are_told_as_their_count_the_worst_severity_and_the_largest_moves() -> None:
    message = said(
        price(1, "dai", change_pct="-1"),
        price(2, "usdc", severity="critical", change_pct="-3"),
        price(3, "usdt", severity="warning", change_pct="9"),
        price(4, "frax", severity="warning", change_pct="-20"),
        price(5, "dai", change_pct="-2"),
    )
    assert message.title == "CRITICAL: 5 alerts (1 critical, 2 warning), of 4 entities"
    assert message.severity is Severity.CRITICAL
    assert [line.split()[2] for line in message.body.splitlines()[:3]] == ["usdc", "frax", "usdt"]
    assert "- dai price fell 2.00%" in message.body and "(2 alerts)" in message.body


MARKET_MOVE = price(
    2,
    "price",
    kind="market",
    chain="all",
    reason="market_moved",
    direction="down",
    severity="warning",
    moved_entities=43,
    watched_entities=120,
    largest=[{"chain": "ethereum", "entity": "dai", "change_pct": "-12.3456789"}],
)


def test_a_market_wide_move_comes_first_and_its_members_after_it() -> None:
    first, second = (price(number, f"t{number}", severity="critical", market=MARKET_MOVE.id) for number in (1, 3))
    message = said(first, MARKET_MOVE, second)
    assert message.title.startswith("WARNING: market-wide move down: 43 of 120 entities of the watch price, 3.20% by")
    assert message.title.endswith("; 3 alerts (2 critical, 1 warning)")
    assert message.severity is Severity.CRITICAL


def test_a_market_wide_move_alone_names_what_moved_most_as_people_read_percents() -> None:
    assert "dai on ethereum: -12.35%" in said(MARKET_MOVE).body.splitlines()


def test_the_first_line_is_in_the_body_where_a_service_shows_no_title() -> None:
    message = said(price(), manner=CHAT)
    assert message.title == ""
    assert message.body.startswith("**usdc price fell 3.20%, $1.00 → $0.968, on ethereum, 97% sure**\n")


@pytest.mark.parametrize("manner", [PLAIN, CHAT, Manner("html", HTML, 4096, 0), Manner("markdown", SLACK, 3000, 150)])
def test_no_message_is_longer_than_its_service_takes(manner: Manner) -> None:
    events = [price(number, f"{'token ' * 40}{number}", change_pct=str(number)) for number in range(1, 500)]
    small = replace(manner, body_length=600, title_length=min(manner.title_length, 40))
    message = said(*events, manner=small)
    assert len(message.body) <= 600 and len(message.title) <= 40
    assert "token" in message.body
    assert "and 4" in message.body  # those that it has no room for


@pytest.mark.parametrize(
    ("dialect", "shown"),
    [
        (TEXT, "@all <!here> *a*_b_ :fire: x.com # 1. \\ &amp; �"),
        (MARKDOWN, "@\u200ball \\<!here\\> \\*a\\*\\_b\\_ :\u200bfire: x.\u200bcom # 1. \\\\ \\&amp; �"),
        (
            SLACK,
            "@\u200ball &lt;!here&gt; \u200b*\u200ba\u200b*\u200b\u200b_\u200bb\u200b_\u200b :\u200bfire: x.\u200bcom"
            " # 1. \\ &amp;amp; �",
        ),
        (HTML, "@\u200ball &lt;!here&gt; *a*_b_ :\u200bfire: x.\u200bcom # 1. \\ &amp;amp; �"),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_names_mean_nothing_to_a_services_markup(dialect: Any, shown: str) -> None:
    assert dialect.marked("@all <!here> *a*_b_ :fire:\nx.com # 1. \\ &amp; \u202e") == shown


@pytest.mark.parametrize("start", ["# one", "- one", "1. one", "12) one"])
def test_a_name_at_a_lines_start_begins_no_list_and_no_heading(start: str) -> None:
    assert "\\" in MARKDOWN.marked(start)


def test_a_template_of_ones_own_says_the_body_and_may_say_the_first_line(tmp_path: Path) -> None:
    (tmp_path / "desk.md.j2").write_text(
        "{% set title = alerts[0].entity ~ '!' %}{% for one in alerts %}{{ one.entity | bold }} <b>{% endfor %}"
    )
    template = template_of(str(tmp_path / "desk.md.j2"), "notify[0].template")
    message = compose([price(entity="*x*")], template, replace(CHAT, title_length=50), BACKGROUND)
    assert (message.title, message.body) == ("*x*!", "**\\*x\\*** <b>")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("{{ alerts[0].nosuch }}", "has no attribute 'nosuch'"),
        ("{{ alerts.__class__.__mro__ }}", "unsafe"),
        ("{{ 1 / 0 }}", "division by zero"),
    ],
)
def test_what_a_template_may_not_do_fails_it_alone(tmp_path: Path, source: str, complaint: str) -> None:
    (tmp_path / "x.txt.j2").write_text(source)
    template = template_of(str(tmp_path / "x.txt.j2"), "notify[0].template")
    with pytest.raises(TemplateFailed, match=complaint):
        compose([price()], template, PLAIN, BACKGROUND)


@pytest.mark.parametrize(
    ("name", "source", "complaint"),
    [
        ("no.md.j2", None, "No such file or directory"),
        ("x.md.j2", "one\n{% if %}", "x.md.j2:2: Expected an expression"),
        ("x.md.j2", " ", "must hold 1 to 100,000 bytes"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_line(
    tmp_path: Path, name: str, source: str | None, complaint: str
) -> None:
    if source is not None:
        (tmp_path / name).write_text(source)
    with pytest.raises(SettingsError) as refused:
        template_of(str(tmp_path / name), "rtp.yaml:7: notify[0].template")
    assert str(refused.value).startswith("rtp.yaml:7: notify[0].template: ")
    assert complaint in str(refused.value)
