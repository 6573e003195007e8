"""`rtp validate --installed`: exit code 1 where what is installed is not what the settings say."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg

from core.demo.tables import create_tables
from core.services.postgres import queries
from core.settings.models import Settings, postgres_dsn
from tests.catalog_snapshot import catalog_of
from tests.command import Done
from triggers.checkup import check_up

Validate = Callable[..., Done]


def test_what_is_installed_is_what_the_settings_say(validate: Validate) -> None:
    done = validate("--installed")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("All is well")


def test_another_threshold(validate: Validate) -> None:
    done = validate("--installed", tvl={"percent": 2})
    assert (done.code, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert line.startswith("watch tvl: not as the settings say")
    assert "percent: 1 -> 2" in line


def test_without_installed_nothing_is_compared(validate: Validate) -> None:
    assert validate(tvl={"percent": 2}).code == 0
    assert "drift" not in validate("--json", tvl={"percent": 2}).document


def test_a_watch_more_and_a_watch_less(validate: Validate) -> None:
    watch = {"kind": "tvl", "table": "prices", "columns": {"protocol": "token", "chain": "chain", "value": "price_usd"}}
    done = validate("--installed", "--json", without="prices", extra=watch)
    drift = {action["subject"]: action["what"] for action in done.document["drift"]}
    assert (done.code, drift) == (1, {"watch extra": "created", "watch prices": "removed"})


def test_a_trigger_that_somebody_dropped(validate: Validate, writer: psycopg.Connection) -> None:
    writer.execute("DROP TRIGGER rtp_tvl_update ON tvl")
    done = validate("--installed", "--json")
    assert done.code == 1
    assert [action["subject"] for action in done.document["drift"]] == ["watch tvl"]


def test_json_without_drift(validate: Validate) -> None:
    found = validate("--installed", "--json").document
    assert (found["valid"], found["problems"], found["drift"]) == (True, [], [])


def test_nothing_installed_at_all(validate: Validate, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        create_tables(connection)
    done = validate("--installed", "--json", dsn=database)
    assert (done.code, done.document["valid"]) == (1, True)
    assert {"watch tvl", "watch prices", "watch protocols"} < {action["subject"] for action in done.document["drift"]}


def test_problems_come_before_drift(validate: Validate) -> None:
    done = validate("--installed", "--json", tvl={"table": "public.tvls", "percent": 2})
    assert (done.code, done.document["valid"], done.document["drift"]) == (2, False, None)


def test_a_schema_of_a_newer_rtp_is_a_problem(validate: Validate, writer: psycopg.Connection) -> None:
    writer.execute("UPDATE rtp.installation SET schema_version = 999")
    writer.execute("ALTER TABLE rtp.watch RENAME COLUMN name TO title")
    done = validate("--installed")
    assert done.code == 2
    assert done.err.splitlines()[0] == (
        "the database has rtp schema version 999, this rtp knows 10. Install, or remove, with the newer rtp"
    )


def test_each_watched_table_is_read_once(settings: Settings) -> None:
    asked: list[Any] = []

    class Noting(psycopg.Connection):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            asked.append(query)
            return super().execute(query, *arguments, **options)

    def connect() -> Any:
        return closing(Noting.connect(postgres_dsn(settings), autocommit=True))

    found = check_up(settings, connect, compares_installed=True)
    assert (found.problems, found.drift) == ((), [])
    assert asked.count(queries("triggers.sql", "catalog.sql")["columns"]) == 1


def test_comparing_changes_nothing(validate: Validate, writer: psycopg.Connection) -> None:
    before = catalog_of(writer)
    assert validate("--installed", tvl={"percent": 2}).code == 1
    assert catalog_of(writer) == before


# Whether each watch is armed


def replace_prices(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE public.new (LIKE prices INCLUDING ALL)")
    connection.execute("DROP TABLE prices; ALTER TABLE new RENAME TO prices")


UNARMED = (
    "watch prices is not armed: public.prices is another table, and not what rtp was installed on, which is gone now."
)


def test_a_table_that_was_replaced(validate: Validate, writer: psycopg.Connection) -> None:
    replace_prices(writer)
    done = validate("--installed")
    assert (done.code, done.out) == (1, "")
    assert [line for line in done.err.splitlines() if line.startswith(UNARMED)] != []


def test_a_table_that_was_replaced_is_told_of_when_nothing_is_compared(
    validate: Validate, writer: psycopg.Connection
) -> None:
    replace_prices(writer)
    done = validate()
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith(UNARMED)


def test_a_child_table_that_no_installation_can_mend(validate: Validate, writer: psycopg.Connection) -> None:
    writer.execute("CREATE TABLE public.child () INHERITS (prices)")
    done = validate("--installed", "--json")
    assert (done.code, done.document["drift"]) == (2, None)
    assert [line.partition(", below")[0] for line in done.document["problems"]] == [
        "watches.prices.table: what is written to public.child"
    ]
