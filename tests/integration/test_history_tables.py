"""Tables of history: a row per sample, which may come late, twice, or corrected; by the samples' own times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.judging import judge_waiting
from tests.watching import install

SAMPLES: dict[str, Any] = {
    "kind": "price",
    "table": "samples",
    "shape": "history",
    "percent": 1,
    "columns": {"chain": "chain", "token": "token", "value": "price", "changed_at": "at"},
}
NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
Step = tuple[str | None, str | None]


@pytest.fixture
def history(writer: psycopg.Connection) -> psycopg.Connection:
    """A table of history; a token was at 100 at noon."""
    writer.execute("CREATE TABLE public.samples (chain text, token text, price numeric, at timestamptz)")
    install(writer, samples=SAMPLES)
    append(writer, (0, "100"))
    return writer


def append(connection: psycopg.Connection, *samples: tuple[int, str | None]) -> None:
    """Append samples in one statement: the minute after noon, and the price."""
    minutes, prices = zip(*samples, strict=True)
    connection.execute(
        "INSERT INTO samples SELECT 'ethereum', 'usdc', price, at FROM unnest(%s::numeric[], %s::timestamptz[])"
        " AS new (price, at)",
        [list(prices), [NOON + timedelta(minutes=minute) for minute in minutes]],
    )
    judge_waiting(connection)


def steps(connection: psycopg.Connection) -> list[Step]:
    return connection.execute("SELECT previous::text, current::text FROM rtp.event ORDER BY id").fetchall()


def test_a_newer_sample_is_compared_with_the_last_reported_one(history: psycopg.Connection) -> None:
    append(history, (1, "102"))
    assert steps(history) == [("100", "102")]


def test_samples_of_one_statement_count_in_the_order_of_their_times(history: psycopg.Connection) -> None:
    append(history, (3, "104"), (1, "102"), (2, "103.5"))
    assert steps(history) == [("100", "102"), ("102", "103.5")]


def test_a_late_sample_is_not_reported(history: psycopg.Connection) -> None:
    append(history, (5, "100.5"))
    append(history, (3, "150"))
    assert steps(history) == []


def test_a_late_sample_does_not_move_the_baseline(history: psycopg.Connection) -> None:
    append(history, (5, "100.5"))
    append(history, (3, "150"))
    append(history, (6, "102"))
    assert steps(history) == [("100", "102")]


def test_the_same_sample_twice_counts_once(history: psycopg.Connection) -> None:
    append(history, (1, "102"), (1, "102"))
    assert steps(history) == [("100", "102")]


def test_another_value_at_the_same_time_is_a_correction(history: psycopg.Connection) -> None:
    append(history, (1, "102"))
    append(history, (1, "110"))
    assert steps(history) == [("100", "102"), ("102", "110")]


def test_an_updated_sample_is_a_correction(history: psycopg.Connection) -> None:
    append(history, (1, "102"))
    history.execute("UPDATE samples SET price = 110 WHERE price = 102")
    judge_waiting(history)
    assert steps(history) == [("100", "102"), ("102", "110")]


def test_deleting_old_samples_reports_nothing(history: psycopg.Connection) -> None:
    history.execute("DELETE FROM samples")
    judge_waiting(history)
    assert steps(history) == []


def test_truncating_a_history_reports_nothing(history: psycopg.Connection) -> None:
    history.execute("TRUNCATE samples")
    judge_waiting(history)
    assert steps(history) == []


def test_after_a_deletion_the_baseline_is_still_there(history: psycopg.Connection) -> None:
    history.execute("DELETE FROM samples")
    append(history, (1, "102"))
    assert steps(history) == [("100", "102")]


def test_copied_samples_are_judged(history: psycopg.Connection) -> None:
    with history.cursor().copy("COPY samples FROM STDIN") as copy:
        for minute, price in ((1, "102"), (2, "105")):
            copy.write_row(("ethereum", "usdc", price, NOON + timedelta(minutes=minute)))
    judge_waiting(history)
    assert steps(history) == [("100", "102"), ("102", "105")]


def test_a_large_load_is_judged_in_order(history: psycopg.Connection) -> None:
    append(history, *((minute, str(100 + 2 * minute)) for minute in range(400, 0, -1)))
    found = steps(history)
    assert [previous for previous, _ in found[1:]] == [current for _, current in found[:-1]]


def test_no_sample_of_a_large_load_is_missed(history: psycopg.Connection) -> None:
    append(history, *((minute, "100" if minute % 2 else "200") for minute in range(400, 0, -1)))
    assert len(steps(history)) == 399


def test_by_previous_row_every_sample_is_the_next_ones_baseline(history: psycopg.Connection) -> None:
    install(history, samples={**SAMPLES, "compare_with": "previous_row"})
    append(history, (1, "100.9"), (2, "101.8"), (3, "102.7"), (4, "110"))
    assert steps(history) == [("102.7", "110")]


def test_a_missing_value_is_reported(history: psycopg.Connection) -> None:
    append(history, (1, None))
    assert steps(history) == [("100", None)]


# Text, floats and other things that hold a number


@pytest.mark.parametrize(
    ("column_type", "before", "after", "reported"),
    [
        ("text", "100", "1.02e2", ("100", "102")),
        ("text", " 100 ", "102.50", ("100", "102.50")),
        ("text", "100", "NaN", ("100", "NaN")),
        ("varchar(20)", "100", "102", ("100", "102")),
        ("double precision", "0.1", "0.30000000000000004", ("0.1", "0.30000000000000004")),
        ("real", "0.1", "0.2", ("0.1", "0.2")),
        ("bigint", "9223372036854775806", "1", ("9223372036854775806", "1")),
        ("numeric(40, 10)", "100", "102", ("100.0000000000", "102.0000000000")),
        ("numeric", "123456789012345678901234567890", "1", ("123456789012345678901234567890", "1")),
    ],
)
def test_a_number_is_judged_however_it_is_kept(
    writer: psycopg.Connection, column_type: str, before: str, after: str, reported: Step
) -> None:
    columns = f"chain text, token text, price {column_type}, at timestamptz"
    writer.execute(f"CREATE TABLE public.samples ({columns})".encode())
    install(writer, samples=SAMPLES)
    for minute, value in enumerate((before, after)):
        at = NOON + timedelta(minutes=minute)
        writer.execute("INSERT INTO samples VALUES ('ethereum', 'usdc', %s, %s)", [value, at])
        judge_waiting(writer)
    assert steps(writer) == [reported]


def test_a_text_without_a_number_is_counted_and_not_judged(writer: psycopg.Connection) -> None:
    writer.execute("CREATE TABLE public.samples (chain text, token text, price text, at timestamptz)")
    install(writer, samples=SAMPLES)
    for minute, value in enumerate(("100", "a lot", "102")):
        at = NOON + timedelta(minutes=minute)
        writer.execute("INSERT INTO samples VALUES ('ethereum', 'usdc', %s, %s)", [value, at])
        judge_waiting(writer)
    assert writer.execute("SELECT watch, message FROM rtp.trigger_error").fetchall() == [
        (
            "samples",
            "rows have no usable chain, entity or value, one of them:"
            " the value (price) is no number, in the row with chain 'ethereum', token 'usdc', price 'a lot'",
        )
    ]
