"""The event document: valid for every reader, and true to the last digit."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from typing import Any
from urllib.parse import unquote

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.v1.http import from_json
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from core.errors import EventRejected
from core.log.rows import build_event, event_called, event_id
from rtp_client.event import Reason, decode_event, encode_part, event_schema, format_sequence, format_time
from tests.samples import NOON, ROW, make_event

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
AMOUNTS = st.one_of(
    st.none(),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "0", "0.00"]),
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda amount: f"{amount:f}"),
)
FORMATS = FormatChecker()
FORMATS.checks("date-time", ValueError)(lambda text: bool(datetime.fromisoformat(str(text)).tzinfo))
VALID = Draft202012Validator(event_schema(), format_checker=FORMATS)


def document(sequence: int = 1, **columns: Any) -> dict[str, Any]:
    return dict(json.loads(make_event(sequence, **columns).json_bytes))


# The schema


def test_the_schema_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(event_schema())


@given(
    chain=NAMES,
    entity=NAMES,
    previous=AMOUNTS,
    current=AMOUNTS,
    provenance=st.none() | NAMES,
    reason=st.sampled_from(Reason),
    confidence=st.floats(0, 1),
    changed_at=st.datetimes(timezones=st.just(UTC)),
)
def test_every_event_is_valid_by_its_schema(chain: str, entity: str, **columns: Any) -> None:
    row = ROW._replace(chain=chain, entity=entity, kind="protocol", **columns)
    VALID.validate(json.loads(build_event(row, source="/rtp", log_id="test").json_bytes))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", ""),
        ("type", "rtp.tvl.gone"),
        ("time", "yesterday"),
        ("time", "2024-03-19T12:00:00Z"),
        ("sequence", "7"),
        ("specversion", "0.3"),
        ("unknown", 1),
        ("traceparent", "00-1-2-01"),
        ("traceparent", None),
        ("tracestate", ""),
        ("data.current", 7),
        ("data.current", "1e5"),
        ("data.confidence", 1.5),
        ("data.reason", "whim"),
        ("data.changed_at", "2024-13-19T12:00:00.000000Z"),
    ],
)
def test_the_schema_refuses_what_is_no_event(path: str, value: object) -> None:
    wrong = document()
    target = wrong["data"] if path.startswith("data.") else wrong
    target[path.removeprefix("data.")] = value
    assert not VALID.is_valid(wrong)


def test_every_attribute_of_the_data_is_explained() -> None:
    properties = event_schema()["$defs"]["EventData"]["properties"]
    unexplained = {name for name, schema in properties.items() if "description" not in schema and "$ref" not in schema}
    assert unexplained == set()


def test_every_reason_of_the_triggers_is_a_reason_of_the_event() -> None:
    texts = [path.read_text() for path in files("triggers").joinpath("sql").iterdir() if path.name.endswith(".sql")]
    verdict = "".join(re.findall(r"(?s)FUNCTION rtp\.verdict.*?\$\$;", "".join(texts)))
    assert set(re.findall(r"THEN '(\w+)'", verdict)) <= set(Reason)


# CloudEvents


def test_the_cloudevents_sdk_reads_the_event() -> None:
    event = make_event(7)
    read = JSONFormat().read(None, event.json_bytes)
    assert (read.get_id(), read.get_extension("sequence"), read.get_extension("partitionkey")) == (
        event.id,
        event.sequence,
        event.partitionkey,
    )


def test_the_older_cloudevents_sdk_reads_the_event() -> None:
    event = make_event(7)
    read = from_json(event.json_bytes)
    assert (read["type"], read["subject"], read["time"]) == (event.type, event.subject, event.time)


def test_the_cloudevents_sdk_reads_the_trace_context() -> None:
    event = make_event(7, traceparent=PARENT, tracestate="rojo=1")
    read = JSONFormat().read(None, event.json_bytes)
    assert (read.get_extension("traceparent"), read.get_extension("tracestate")) == (PARENT, "rojo=1")


def test_an_event_without_a_trace_context_has_no_such_attribute() -> None:
    assert not {"traceparent", "tracestate"} & document().keys()


def test_an_event_with_a_trace_context_satisfies_the_schema() -> None:
    assert VALID.is_valid(json.loads(make_event(7, traceparent=PARENT, tracestate="rojo=1").json_bytes))


def test_the_names_of_extensions_are_those_that_cloudevents_allows() -> None:
    assert [name for name in document() if not re.fullmatch(r"[a-z0-9]{1,20}", name)] == []


# What the attributes say


def test_the_id_names_the_log_the_transaction_and_the_row() -> None:
    assert document(7)["id"] == "test-700-7"


def test_the_source_names_the_watch() -> None:
    assert document()["source"] == "/rtp/tvl"


@pytest.mark.parametrize(
    ("kind", "reason", "expected"),
    [
        ("tvl", "deviation", "rtp.tvl.changed"),
        ("tvl", "deleted", "rtp.tvl.changed"),
        ("price", "first_seen", "rtp.price.changed"),
        ("protocol", "changed", "rtp.protocol.changed"),
        ("protocol", "added", "rtp.protocol.added"),
        ("protocol", "removed", "rtp.protocol.removed"),
    ],
)
def test_the_type_tells_kind_and_happening(kind: str, reason: str, expected: str) -> None:
    assert document(kind=kind, reason=reason)["type"] == expected


def test_the_time_is_when_it_changed_and_not_when_it_was_detected() -> None:
    assert document(changed_at=NOON - timedelta(days=1))["time"] == "2024-03-18T12:00:00.000000Z"


def test_names_are_percent_encoded_in_the_subject() -> None:
    assert document(chain="a/b", entity="c:d é")["subject"] == "a%2Fb/c%3Ad%20%C3%A9"


def test_names_are_plain_in_the_data() -> None:
    assert document(chain="a/b", entity="c:d é")["data"]["entity"] == "c:d é"


# Numbers


@pytest.mark.parametrize(
    "amount",
    ["0", "-0.00", "102.50", "123456789012345678901234567890.123456789012345678", "NaN", "Infinity", "-Infinity"],
)
def test_an_amount_keeps_its_digits(amount: str) -> None:
    assert document(current=amount)["data"]["current"] == amount


@pytest.mark.parametrize("amount", ["", "1e5", "1.", ".5", "+1", "1,5", "0x1", "nan", " 1", "1\n"])
def test_an_amount_that_is_no_decimal_is_rejected(amount: str) -> None:
    with pytest.raises(EventRejected):
        event_called("1", ROW._replace(current=amount), source="/rtp")


def field(written: str) -> object:
    fields = f'{{"audits": {{"previous": null, "current": {written}}}}}'
    return document(kind="protocol", reason="changed", fields=fields)["data"]["fields"]["audits"]["current"]


@pytest.mark.parametrize("written", ["0", "-7", "0.1", "2.50", "9007199254740992", "true", "null", '"1"', "[1, 2.5]"])
def test_a_number_in_a_field_that_a_double_holds_stays_a_number(written: str) -> None:
    assert field(written) == json.loads(written)


@pytest.mark.parametrize(
    "written",
    [
        "9007199254740993",
        "0.1000000000000000055511151231257827",
        "1" * 400,
        f"{'1' * 400}.5",
        f"0.{'0' * 400}1",
        "7" * 5000,
    ],
)
def test_a_number_in_a_field_that_a_double_would_change_becomes_its_digits(written: str) -> None:
    assert field(written) == written


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:f}"))
def test_no_number_in_a_field_loses_a_digit(number: int | str) -> None:
    read = field(str(number))
    assert str(read) == str(number) or float(str(number)) == read


# Rows that are no events


@pytest.mark.parametrize(
    "columns",
    [
        {"confidence": 7.0},
        {"confidence": float("nan")},
        {"kind": None},
        {"kind": "no kind"},
        {"reason": "whim"},
        {"severity": "mild"},
        {"entity": ""},
        {"fields": "[]"},
        {"fields": '{"a": {"previous": 1}}'},
        {"fields": '{"a": ' + "[" * 5000 + "]" * 5000 + "}"},
        {"fields": '{"a": {"previous": 1, "current": ' + "[" * 500 + "]" * 500 + "}}"},
    ],
)
def test_a_row_that_is_no_event_is_rejected_with_its_number(columns: dict[str, Any]) -> None:
    with pytest.raises(EventRejected, match=r"^event 7 is not valid: "):
        build_event(ROW._replace(id=7, **columns), source="/rtp", log_id="test")


def test_what_is_wrong_with_a_row_is_told_part_by_part_on_one_line() -> None:
    with pytest.raises(EventRejected) as refused:
        build_event(ROW._replace(id=7, confidence=7.0, severity="mild"), source="/rtp", log_id="test")
    assert str(refused.value) == (
        "event 7 is not valid: data.severity: Invalid enum value 'mild'; data.confidence: Expected `float` <= 1.0"
    )


@pytest.mark.parametrize("levels", [200, 3000], ids=["too deep to write", "too deep to read"])
def test_fields_that_nest_too_deep_are_told_as_such(levels: int) -> None:
    fields = f'{{"a": {{"previous": 1, "current": {"[" * levels}{"]" * levels}}}}}'
    with pytest.raises(EventRejected, match=r"data\.fields: Nested deeper than 190 levels$"):
        build_event(ROW._replace(fields=fields), source="/rtp", log_id="test")


def test_an_event_cannot_be_changed() -> None:
    event = make_event(1)
    with pytest.raises(AttributeError):
        event.id = "other"  # type: ignore[misc]


# Reading it


@given(
    chain=NAMES,
    entity=NAMES,
    previous=AMOUNTS,
    provenance=st.none() | NAMES,
    reason=st.sampled_from(Reason),
    confidence=st.floats(0, 1),
    duration_seconds=st.none() | st.floats(0, 1e9),
    fields=st.none() | st.just('{"audits": {"previous": 0.10, "current": ["1", 123456789012345678901]}}'),
    changed_at=st.datetimes(timezones=st.just(UTC)),
)
def test_every_event_is_read_back_as_the_same_event(**columns: Any) -> None:
    row = ROW._replace(**columns)
    event = build_event(row, source="/rtp", log_id="test")
    assert decode_event(event.json_bytes).json_bytes == event.json_bytes
    assert decode_event(event.json_bytes) == event == event_called(event_id(row, "test"), row, source="/rtp")


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("sequence", "7", "sequence: Expected `str` matching regex"),
        ("unknown", 1, "event: Object contains unknown field `unknown`"),
        ("data.current", "1\n", "data.current: "),
        ("data.confidence", 1.5, "data.confidence: Expected `float` <= 1.0"),
        ("data.reason", "whim", "data.reason: Invalid enum value 'whim'"),
    ],
)
def test_what_is_no_event_is_refused_with_the_part_that_is_wrong(path: str, value: object, told: str) -> None:
    wrong = document()
    target = wrong["data"] if path.startswith("data.") else wrong
    target[path.removeprefix("data.")] = value
    with pytest.raises(ValueError, match=re.escape(told)):
        decode_event(json.dumps(wrong))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"\ud800"', "[" * 100_000, b"\xff"])
def test_what_is_no_json_object_is_refused_on_one_line(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"^event: .+$"):
        decode_event(text)


# Parts, times and sequences


@given(NAMES)
def test_an_encoded_part_holds_no_separator_and_no_pattern(part: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._~%-]+", encode_part(part))


@given(NAMES)
def test_an_encoded_part_can_be_decoded(part: str) -> None:
    assert unquote(encode_part(part)) == part


@given(st.integers(0, 10**19), st.integers(0, 10**19))
def test_sequences_compare_like_their_numbers(one: int, other: int) -> None:
    assert (format_sequence(one) < format_sequence(other)) == (one < other)


@pytest.mark.parametrize("offset", [timedelta(0), timedelta(hours=5, minutes=30), timedelta(hours=-11)])
def test_a_time_is_told_in_utc(offset: timedelta) -> None:
    moment = datetime(2024, 3, 19, 12, tzinfo=UTC).astimezone(timezone(offset))
    assert format_time(moment) == "2024-03-19T12:00:00.000000Z"


def test_a_time_always_has_six_digits_of_a_second() -> None:
    assert format_time(datetime(1, 1, 2, 3, 4, 5, 1000, tzinfo=UTC)) == "0001-01-02T03:04:05.001000Z"
