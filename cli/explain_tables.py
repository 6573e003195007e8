"""`rtp explain` for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from cli.event_line import printable
from cli.output import out
from cli.tables import facts, new_table, span, whole
from core.amounts import percent
from core.detection.memory import memory_of
from core.detection.report import amount_text
from core.detection.verdict import same
from core.inspection.in_words import conclusion_in_words, moment
from core.problem import counted
from rtp_client.event import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rich.table import Table

    from core.detection.distance import Distance
    from core.inspection.explanation import BaselineRow, Explanation, JudgedValue, PastEvent, RuleKey, SourceWord


_NO_EVENT = {
    "postgres": "The log holds no event of it.",
    "dynamodb": "Of the newest events in Redis, none is of it.",
}


def print_explanation(found: Explanation) -> None:
    """Everything about one entity in one watch."""
    out.print(explanation_of(found))
    out.print()


def explanation_of(found: Explanation) -> Group:
    """The same, to be printed or shown elsewhere."""
    on = found.table if found.source == "postgres" else f"DynamoDB table {found.table}"
    heading = f"{found.kind} of {found.entity} on {found.chain}, watch {found.watch} on {on}"
    return Group(
        Text(printable(heading), "bold"),
        facts(_facts(found)),
        *([_rule(found.judged.rule)] if found.judged else []),
        *([_set_aside(found)] if found.set_aside else []),
        _events(found) if found.events else Text(f"\n{_NO_EVENT[found.source]}"),
    )


def _facts(found: Explanation) -> Iterator[tuple[str, Any]]:
    judged, state = found.judged, found.state
    if judged is None:
        yield "known", _known(found)
        yield "watched", ", ".join(found.watched)
        return
    yield "shape", judged.shape
    yield "judged", _judge(found, judged)
    yield "rule", whole(" ".join(judged.rule_words))
    if state is None:
        yield "baseline", "none"
    else:
        yield "baseline", f"{_amount(state.value)}{_since(state, judged, found.events)}"
        yield from _memory(state, None if judged.is_sampled else found.rules)
    if judged.current_from == "baseline":
        yield "now", f"not known: {judged.current_note}"
        yield "remembered", _amount(judged.current)
    else:
        yield "now", f"{_amount(judged.current)} ({_whence(judged)})"
    if judged.distance is not None and judged.current_from != "baseline":
        far = judged.distance
        change = percent(far.change_pct) if far.change_pct is not None else "no percentage"
        yield "change", f"{change} ({far.change or '–'})"
    if judged.sources:
        yield "sources", whole("; ".join(map(_word, judged.sources)))
    if found.conclusion is not None:
        yield "conclusion", conclusion_in_words(found.conclusion, found.source)
    if found.market is not None:
        yield "market", f"a market-wide move since {moment(found.market.since)}: event {found.market.event_id}"
    if state is not None and judged.distance is not None:
        yield from _distance(state, judged.distance, found.at)
    if state is not None and state.sampled_at is not None:
        is_ahead = judged.shape == "history" and state.sampled_at > found.at
        remark = ", ahead of the clock: older ones count as late. `rtp forget` drops it" if is_ahead else ""
        yield "newest sample", f"of {moment(state.sampled_at)}{remark}"
    if found.waiting:
        for_whom = "to be judged by rtp run" if found.source == "postgres" else "for earlier ones, as `reorder` says"
        yield "waiting", f"{counted(found.waiting, 'sample waits', 'samples wait')} {for_whom}"


def _word(said: SourceWord) -> str:
    value = "nothing" if said.value is None else _amount(said.value)
    remark = "" if said.is_fresh else ", too long ago to count"
    return f"{printable(said.source)} said {value} at {moment(said.at)}{remark}"


def _judge(found: Explanation, judged: JudgedValue) -> str:
    if found.source == "dynamodb":
        return "by who reads the stream: the Lambda, or rtp run --source dynamodb"
    return "by rtp run, from the log of samples" if judged.is_sampled else "by the trigger"


def _memory(state: BaselineRow, rules: int | None) -> Iterator[tuple[str, Any]]:
    """`rules` is the revision that a band must be of; None where it is always that of now."""
    if rules is not None and state.rules != rules:
        yield "band", "none: the rules have changed since, so the next write takes a closer look"
    elif state.lower is None or state.upper is None:
        yield "band", "none: every write takes a closer look"
    else:
        yield "band", f"nothing to report between {_amount(state.lower)} and {_amount(state.upper)}"
    if state.is_held:
        yield "held", "a change waits for the cooldown to end"
    if state.suspect_since is not None:
        value, confirmed = _amount(state.suspect_value), counted(state.suspect_count, "time")
        yield "quarantine", f"{value}, since {moment(state.suspect_since)}, confirmed {confirmed}"
    if state.off_peg_since is not None:
        yield "off its peg", f"since {moment(state.off_peg_since)}{_told_of_that(state)}"
    if state.due_at is not None:
        yield "rtp looks again", state.due_at


def _known(found: Explanation) -> str:
    if found.waiting:
        return "rtp run has yet to look at what was written last"
    if found.state is not None:
        return f"yes, since {moment(found.state.reported_at)}"
    if not found.events:
        return "not so far"
    newest = found.events[0]
    # A stream source keeps no row of metadata; what it has told last says as much.
    words = "no longer, since" if newest.reason == Reason.REMOVED else "last told of"
    return f"{words} {moment(newest.detected_at)}"


def _since(state: BaselineRow, judged: JudgedValue, events: Sequence[PastEvent]) -> str:
    """Since when it is the baseline: an event in the log tells whether it was reported, or only seen."""
    newest = events[0] if events else None
    if newest is not None and newest.reason != Reason.DELETED and same(newest.current, state.value):
        return f", reported {moment(newest.detected_at)}"
    # Compared with the row before, the baseline moves without an event.
    return f", since {moment(state.reported_at)}" if judged.compare_with == "last_event" else ""


def _distance(state: BaselineRow, far: Distance, now: datetime) -> Iterator[tuple[str, Any]]:
    yield "fires", _lines(state, far)
    if state.off_peg_since is not None and far.repegs_above is not None and far.repegs_below is not None:
        yield "peg", f"repegs between {_amount(far.repegs_above)} and {_amount(far.repegs_below)}"
    elif far.depegs_below is not None and far.depegs_above is not None:
        yield "peg", f"depegs outside {_amount(far.depegs_below)} and {_amount(far.depegs_above)}"
    if far.jumps_beyond is not None:
        within = "" if far.jumps_within is None else f", and what is within {_amount(far.jumps_within)}"
        yield "glitch guard", f"holds back what is beyond {_amount(far.jumps_beyond)}{within}, up or down"
    if far.cooled_until is not None and far.cooled_until > now:
        yield "cooldown", f"until {moment(far.cooled_until)}"
    if far.heartbeat_at is not None:
        yield "heartbeat", f"from {moment(far.heartbeat_at)} on"


def _told_of_that(state: BaselineRow) -> str:
    off_peg = memory_of(state.memory).off_peg
    if off_peg is None:
        return ""
    if off_peg.told is None:
        return ", not for long enough to be reported"
    again = "" if off_peg.tier is None else f", what is worse than {off_peg.tier} is reported again"
    return f", reported as {off_peg.told} at worst{again}"


def _lines(state: BaselineRow, far: Distance) -> str:
    if far.fires_below is None or far.fires_above is None:
        return "at any finite number"
    if far.fires_below == far.fires_above:
        return f"at any value but {_amount(state.value)}"
    return f"at {_amount(far.fires_below)} and below, at {_amount(far.fires_above)} and above"


def _rule(keys: Any) -> Table:
    return new_table("Rule", "key", "value", "from", "", rows=map(_rule_row, keys))


def _rule_row(key: RuleKey) -> tuple[str, str, str, str]:
    hint = "" if key.is_in_settings else f"the settings say {_spelled(key.in_settings)}: not installed yet"
    return key.key, _spelled(key.value), key.origin if key.value is not None else "", hint


def _spelled(value: Any) -> str:
    if value is None:
        return "off"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_spelled(part)}" for name, part in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def _events(found: Explanation) -> Table:
    def row(event: PastEvent) -> tuple[Any, ...]:
        change = percent(event.change_pct) if event.change_pct is not None else None
        reason = event.reason if event.duration is None else f"{event.reason} after {span(event.duration)}"
        values = (_fields(event),) if found.judged is None else (event.previous, event.current, change)
        return (event.detected_at, *values, reason, event.severity)

    values = ("fields",) if found.judged is None else ("previous", "current", "change")
    return new_table("Last events", "detected", *values, "reason", "severity", rows=map(row, found.events))


def _set_aside(found: Explanation) -> Table:
    return new_table(
        "Set aside, lately",
        *("noted", "why", "value", "its time"),
        rows=[(row.noted_at, row.why, row.value, row.at) for row in found.set_aside],
    )


def _fields(event: PastEvent) -> str:
    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    fields = event.fields or {}
    return ", ".join(f"{name}: {text(sides['previous'])} → {text(sides['current'])}" for name, sides in fields.items())


def _whence(judged: JudgedValue) -> str:
    return "in the table" if judged.current_from == "table" else "the newest sample judged"


def _amount(value: Any) -> str:
    return amount_text(value) or "null"
