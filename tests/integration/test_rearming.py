"""Installing a watch again whose table was written to unseen: what happened meanwhile is judged where it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from core.arming.look import note_missed, read_arming
from core.errors import InstallError
from core.settings.models import TriggerSettings
from tests.judging import judge_waiting
from tests.watching import install, settings_of
from triggers.installer import find_drift
from triggers.rearming import rearm

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from core.settings.models import Settings

COLUMNS = {"chain": "chain", "token": "token", "value": "price"}
PLAIN: dict[str, Any] = {"kind": "price", "table": "rates", "percent": 1, "columns": COLUMNS}
SAMPLED: dict[str, Any] = {**PLAIN, "glitch_guard": {"factor": 1000}}
HISTORY: dict[str, Any] = {**PLAIN, "shape": "history", "columns": {**COLUMNS, "changed_at": "at"}}
META: dict[str, Any] = {
    "kind": "protocol",
    "table": "rates",
    "watched": ["price"],
    "columns": {"chain": "chain", "protocol": "token"},
}
CREATE = "CREATE TABLE public.rates (chain text, token text, price numeric, at timestamptz, UNIQUE (chain, token, at))"
KEY = "CREATE UNIQUE INDEX ON rates (chain, token)"
NOON = "'2026-01-01 12:00Z'::timestamptz"
BEFORE = f"INSERT INTO rates SELECT 'base', token, 100, {NOON} FROM unnest(ARRAY['dai', 'eth', 'op']) AS token"
AFTER = (
    f"INSERT INTO rates VALUES ('base', 'dai', 100, {NOON}), ('base', 'eth', 150, {NOON} + interval '1h'),"
    f" ('base', 'sol', 7, {NOON})"
)
REPLACE = f"DROP TABLE rates; {CREATE}; {KEY}; {AFTER}"


def told(connection: psycopg.Connection) -> list[tuple[str, Any, Any, str]]:
    judge_waiting(connection)
    query = "SELECT entity, previous::int, current::int, reason FROM rtp.event ORDER BY entity, id"
    return connection.execute(query).fetchall()


@pytest.fixture(params=["plain", "sampled"])
def rates(request: pytest.FixtureRequest, writer: psycopg.Connection) -> dict[str, Any]:
    """A watch whose table holds three rates, all of them known."""
    watch = PLAIN if request.param == "plain" else SAMPLED
    watched(writer, watch)
    return watch


def watched(connection: psycopg.Connection, watch: dict[str, Any]) -> None:
    connection.execute(f"{CREATE}; {BEFORE}".encode())
    if not watch.get("shape"):
        connection.execute(KEY.encode())
    install(connection, rates=watch)
    judge_waiting(connection)


def rearmed(connection: psycopg.Connection, watch: dict[str, Any], **options: Any) -> str:
    said = rearm(settings(watch, **options), connection, "rates")
    assert [found.cause for found in read_arming(connection)] == [""]
    return said


def settings(watch: dict[str, Any], **options: Any) -> Settings:
    return settings_of(rates=watch).model_copy(update={"triggers": TriggerSettings(**options)})


CHANGES = [("eth", 100, 150, "deviation"), ("op", 100, None, "deleted")]


def test_what_a_new_table_holds_is_judged_against_the_baselines_of_the_one_before(
    writer: psycopg.Connection, rates: dict[str, Any]
) -> None:
    writer.execute(REPLACE.encode())
    said = rearmed(writer, rates)
    assert said == "What rates holds was judged; what was written and overwritten meanwhile is not known"
    assert told(writer) == CHANGES


def test_what_is_seen_for_the_first_time_is_reported_where_that_is_asked_for(
    writer: psycopg.Connection, rates: dict[str, Any]
) -> None:
    install(writer, rates={**rates, "emit_first": True})
    writer.execute(REPLACE.encode())
    rearmed(writer, {**rates, "emit_first": True})
    assert told(writer) == [*CHANGES, ("sol", None, 7, "first_seen")]


def test_the_next_writes_are_seen(writer: psycopg.Connection, rates: dict[str, Any]) -> None:
    writer.execute(REPLACE.encode())
    rearmed(writer, rates)
    writer.execute("UPDATE rates SET price = 300 WHERE token = 'sol'; UPDATE rates SET price = 151 WHERE token = 'eth'")
    assert told(writer) == [*CHANGES, ("sol", 7, 300, "deviation")]


def test_what_a_new_table_holds_is_the_baseline_where_that_is_asked_for(
    writer: psycopg.Connection, rates: dict[str, Any]
) -> None:
    writer.execute(REPLACE.encode())
    said = rearmed(writer, rates, on_replace="baseline")
    assert said == "What rates holds is the baseline now; what became of the table before is not known"
    writer.execute("UPDATE rates SET price = 300 WHERE token = 'eth'")
    assert told(writer) == [("eth", 150, 300, "deviation")]


def test_a_table_that_was_swapped_for_another_keeps_no_trigger(
    writer: psycopg.Connection, rates: dict[str, Any]
) -> None:
    writer.execute("CREATE TABLE public.new (LIKE rates INCLUDING ALL); INSERT INTO new SELECT * FROM rates")
    writer.execute("ALTER TABLE rates RENAME TO old; ALTER TABLE new RENAME TO rates")
    rearmed(writer, rates)
    writer.execute("UPDATE old SET price = 900")
    assert told(writer) == []


def test_what_waits_of_the_table_before_is_not_lost_for_a_new_baseline(writer: psycopg.Connection) -> None:
    watched(writer, SAMPLED)
    writer.execute(f"UPDATE rates SET price = 120 WHERE token = 'eth'; {REPLACE}".encode())
    with pytest.raises(InstallError, match="1 sample of the table before rates still wait"):
        rearm(settings(SAMPLED, on_replace="baseline"), writer, "rates")
    assert told(writer) == [("eth", 100, 120, "deviation")]
    rearmed(writer, SAMPLED, on_replace="baseline")
    assert told(writer) == [("eth", 100, 120, "deviation")]


def test_what_waits_of_the_table_before_is_judged_first(writer: psycopg.Connection) -> None:
    watched(writer, SAMPLED)
    writer.execute(f"UPDATE rates SET price = 120 WHERE token = 'eth'; {REPLACE}".encode())
    rearmed(writer, SAMPLED)
    assert told(writer) == [("eth", 100, 120, "deviation"), ("eth", 120, 150, "deviation"), CHANGES[1]]


def test_a_value_that_has_gone_and_come_back_while_samples_wait_is_judged_last(writer: psycopg.Connection) -> None:
    watched(writer, SAMPLED)
    writer.execute("UPDATE rates SET price = 120 WHERE token = 'eth'; DROP TRIGGER rtp_rates_update ON rates")
    writer.execute("UPDATE rates SET price = 100 WHERE token = 'eth'")
    rearmed(writer, SAMPLED)
    assert told(writer) == [("eth", 100, 120, "deviation"), ("eth", 120, 100, "deviation")]


def test_what_was_written_while_a_trigger_was_gone_is_judged_whatever_becomes_of_new_tables(
    writer: psycopg.Connection, rates: dict[str, Any]
) -> None:
    writer.execute("DROP TRIGGER rtp_rates_update ON rates; UPDATE rates SET price = 150 WHERE token = 'eth'")
    rearmed(writer, rates, on_replace="baseline")
    assert told(writer) == [CHANGES[0]]


def test_what_was_written_while_a_trigger_was_disabled_is_judged_though_all_is_as_it_should_be(
    writer: psycopg.Connection, rates: dict[str, Any]
) -> None:
    writer.execute("ALTER TABLE rates DISABLE TRIGGER USER")
    writer.execute("UPDATE rates SET price = 150 WHERE token = 'eth'; ALTER TABLE rates ENABLE TRIGGER USER")
    rearmed(writer, rates)
    assert told(writer) == [CHANGES[0]]


def test_a_history_is_judged_from_its_newest_known_sample_on(writer: psycopg.Connection) -> None:
    watched(writer, HISTORY)
    writer.execute(
        f"DROP TRIGGER rtp_rates_insert ON rates;"
        f"INSERT INTO rates SELECT 'base', 'eth', price, {NOON} + make_interval(hours => hour)"
        f" FROM (VALUES (1, 150), (2, 151), (3, 50), (-1, 900)) AS v (hour, price)".encode()
    )
    said = rearmed(writer, HISTORY)
    assert said == "What rates holds was judged, but for samples older than the newest one known of their entity"
    assert told(writer) == [("eth", 100, 150, "deviation"), ("eth", 150, 50, "deviation")]


def test_of_metadata_it_is_known_who_has_come_and_gone(writer: psycopg.Connection) -> None:
    watched(writer, META)
    writer.execute(REPLACE.encode())
    said = rearmed(writer, META)
    assert said == "What came and what went meanwhile was reported; which fields of the others changed is not known"
    assert told(writer) == [("op", None, None, "removed"), ("sol", None, None, "added")]


def test_a_new_partition_is_watched_and_what_it_holds_is_judged(writer: psycopg.Connection) -> None:
    writer.execute(
        "CREATE TABLE public.rates (chain text, token text, price numeric, PRIMARY KEY (chain, token))"
        " PARTITION BY LIST (chain); CREATE TABLE public.rates_base PARTITION OF rates FOR VALUES IN ('base');"
        "INSERT INTO rates VALUES ('base', 'eth', 100)"
    )
    install(writer, rates=PLAIN)
    writer.execute("CREATE TABLE public.rates_op PARTITION OF rates FOR VALUES IN ('op')")
    writer.execute("INSERT INTO rates VALUES ('op', 'eth', 100); UPDATE rates_op SET price = 150")
    rearmed(writer, PLAIN)
    writer.execute("UPDATE rates_op SET price = 300")
    assert told(writer) == [("eth", 100, 150, "deviation"), ("eth", 150, 300, "deviation")]


@pytest.mark.parametrize("watch", [PLAIN, SAMPLED, HISTORY, META], ids=["plain", "sampled", "history", "metadata"])
def test_who_writes_to_other_partitions_waits_for_no_new_one(
    writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection], watch: dict[str, Any]
) -> None:
    writer.execute(
        "CREATE TABLE public.rates (chain text, token text, price numeric, at timestamptz, UNIQUE (chain, token))"
        " PARTITION BY LIST (chain); CREATE TABLE public.rates_base PARTITION OF rates FOR VALUES IN ('base')"
    )
    install(writer, rates=watch)
    writer.execute("CREATE TABLE public.rates_op PARTITION OF rates FOR VALUES IN ('op')")
    writer.execute(f"INSERT INTO rates_op VALUES ('op', 'eth', 150, {NOON})".encode())
    other = connect_again()
    with other.transaction():
        other.execute(f"INSERT INTO rates VALUES ('base', 'dai', 1, {NOON})".encode())
        rearmed(writer, watch)
    judge_waiting(writer)
    known = writer.execute("SELECT entity FROM rtp.baseline ORDER BY entity").fetchall()
    assert known == [("dai",), ("eth",)]


def test_an_installation_by_hand_judges_no_less(writer: psycopg.Connection, rates: dict[str, Any]) -> None:
    writer.execute(REPLACE.encode())
    install(writer, rates=rates)
    assert told(writer) == CHANGES


def test_an_installation_judges_what_was_missed_though_somebody_else_has_mended_the_cause(
    writer: psycopg.Connection, rates: dict[str, Any]
) -> None:
    writer.execute("ALTER TABLE rates DISABLE TRIGGER ALL")
    note_missed(writer, read_arming(writer))
    writer.execute("UPDATE rates SET price = 150 WHERE token = 'eth'")
    writer.execute("ALTER TABLE rates ENABLE TRIGGER ALL")
    assert [action.what for action in find_drift(writer, settings_of(rates=rates))] == ["replaced"]
    install(writer, rates=rates)
    assert told(writer) == [("eth", 100, 150, "deviation")]
    assert find_drift(writer, settings_of(rates=rates)) == []


def test_the_watch_is_installed_as_it_was_not_as_the_settings_at_hand_have_it(writer: psycopg.Connection) -> None:
    watched(writer, PLAIN)
    writer.execute(REPLACE.encode())
    rearmed(writer, {**PLAIN, "percent": 60})
    assert told(writer) == CHANGES
    assert find_drift(writer, settings_of(rates=PLAIN)) == []


def test_a_watch_that_cannot_be_installed_is_left_as_it_is(writer: psycopg.Connection) -> None:
    watched(writer, PLAIN)
    writer.execute(f"DROP TABLE rates; {CREATE}".encode())
    with pytest.raises(InstallError, match="rates may hold several rows per entity"):
        rearm(settings(PLAIN), writer, "rates")


def test_judging_twice_tells_nothing_twice(writer: psycopg.Connection, rates: dict[str, Any]) -> None:
    writer.execute(REPLACE.encode())
    for _ in range(2):
        rearmed(writer, rates)
    assert told(writer) == CHANGES
