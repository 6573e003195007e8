"""`rtp backtest` as a command: files, tables of a real PostgreSQL, JSON, and what it says to wrong input."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from core.services.postgres import connect
from tests.command import Command

Backtest = Callable[..., str]
FromTable = Callable[..., Any]

HISTORY = """time,protocol,chain,tvl_usd
2024-03-19T12:00:00Z,lido,ethereum,100
2024-03-19T13:00:00Z,lido,ethereum,101.5
2024-03-19T14:00:00Z,lido,ethereum,90
2024-03-19T12:00:00Z,[red]aave,base,100
2024-03-19T13:00:00Z,[red]aave,base,101.5
"""


@pytest.fixture
def backtest(command: Command) -> Backtest:
    """Runs `rtp backtest`; what it printed, or, where it must fail, what it said."""

    def run(*arguments: str | Path, code: int = 0) -> str:
        done = command("backtest", *map(str, arguments))
        assert done.code == code, done.err
        return done.out if code == 0 else done.err

    return run


def config(folder: Path, name: str = "rtp.yaml", **keys: Any) -> Path:
    columns = {"chain": "network", "protocol": "slug", "value": "usd", "changed_at": "at"}
    watch = {"kind": "tvl", "table": "analytics.tvl", "columns": columns, **keys}
    path = folder / name
    path.write_text(yaml.safe_dump({"watches": {"tvl": watch}}))
    return path


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    return path


@pytest.fixture
def writer(database: str) -> Iterator[psycopg.Connection]:
    with closing(connect(database, role="test")) as connection:
        connection.execute("CREATE SCHEMA analytics")
        yield connection


def test_aliases_are_read_from_their_table(
    backtest: Backtest, history: Path, tmp_path: Path, writer: psycopg.Connection, database: str
) -> None:
    writer.execute("CREATE TABLE analytics.renames (old text, new text)")
    writer.execute("INSERT INTO analytics.renames VALUES ('lido', 'steth')")
    rules = config(tmp_path, aliases={"table": "analytics.renames", "from": "old", "to": "new"})
    shown = backtest("--history", history, "--config", rules, "--against", rules, "--postgres-dsn", database)
    assert re.search(r"^ethereum/steth +2 ", shown, re.MULTILINE)
    unnamed = backtest("--history", history, "--config", rules, code=2)
    assert unnamed.startswith("there is no PostgreSQL address")


def test_a_file_with_the_default_rules(backtest: Backtest, history: Path) -> None:
    shown = backtest("--history", history)
    assert "5 samples of 2 entities, 2024-03-19 12:00 to 2024-03-19 14:00 UTC." in shown
    assert re.search(r"^events +3$", shown, re.MULTILINE)
    assert re.search(r"^share of samples +60\.00%$", shown, re.MULTILINE)
    assert re.search(r"^base/\[red\]aave +1$", shown, re.MULTILINE)
    assert re.search(r"^events per entity-day +24$", shown, re.MULTILINE)
    assert re.search(r"^longest silence +60 min \(ethereum/lido\)$", shown, re.MULTILINE)


def test_two_settings_files_side_by_side(backtest: Backtest, tmp_path: Path, history: Path) -> None:
    new, old = config(tmp_path, "new.yaml", percent=5), config(tmp_path, "old.yaml")
    shown = backtest("--config", new, "--against", old, "--history", history)
    assert re.search(r"^events +1 +3 +-2$", shown, re.MULTILINE)
    assert re.search(r"^severity: warning +1 +1 +\+0$", shown, re.MULTILINE)
    assert "biggest differences" in shown


def test_json(backtest: Backtest, tmp_path: Path, history: Path) -> None:
    new, old = config(tmp_path, "new.yaml", percent=5), config(tmp_path, "old.yaml")
    document = json.loads(backtest("--config", new, "--against", old, "--history", history, "--json", "--top", "1"))
    assert document["kind"] == "tvl"
    assert (document["samples"], document["unreadable"], document["entities"]) == (5, 0, 2)
    assert (document["first_at"], document["last_at"]) == ("2024-03-19T12:00:00.000000Z", "2024-03-19T14:00:00.000000Z")
    assert [result["config"] for result in document["results"]] == [str(new), str(old)]
    assert [result["events"] for result in document["results"]] == [1, 3]
    assert document["top"] == [{"chain": "base", "entity": "[red]aave", "events": [0, 1]}]
    noise = document["results"][1]["noise"]
    assert (noise["events"], noise["entity_days"], noise["flaps"]) == (3, 0.125, {"depegs": 0, "steps": 0})


def test_a_page_lays_the_events_over_the_series(backtest: Backtest, tmp_path: Path, history: Path) -> None:
    new, old, html = config(tmp_path, "new.yaml", percent=5), config(tmp_path, "old.yaml"), tmp_path / "page.html"
    backtest("--config", new, "--against", old, "--history", history, "--html", html)
    page = html.read_text()
    assert page.count("<svg") == 2
    assert page.count("<circle") == 1
    assert "<title>2024-03-19 14:00:00 UTC, deviation, warning: 90</title>" in page
    assert "<h2>base/[red]aave</h2>" in page
    assert not re.search(r"""(src|href|url|@import|<script)\b""", page)
    assert "prefers-color-scheme: dark" in page


def test_a_page_that_cannot_be_written_is_one_line(backtest: Backtest, tmp_path: Path, history: Path) -> None:
    said = backtest("--history", history, "--html", tmp_path / "missing" / "page.html", code=2)
    assert "page.html cannot be written: No such file or directory. Name another file with --html" in said
    assert said.count("\n") == 1


def test_proposed_rules_can_be_pasted(backtest: Backtest, tmp_path: Path, history: Path) -> None:
    present = config(tmp_path)
    shown = backtest("--config", present, "--history", history, "--suggest", "--per-day", "30")
    assert re.search(r"^events +1 +3 +-2$", shown, re.MULTILINE)
    assert re.search(r"^large moves: missed +0 +0$", shown, re.MULTILINE)
    proposed = yaml.safe_load(shown[: shown.index("5 samples of")])["watches"]["tvl"]
    pasted = config(tmp_path, "pasted.yaml", **proposed)
    document = json.loads(backtest("--config", pasted, "--history", history, "--json"))
    assert document["results"][0]["events"] == 1
    told = json.loads(backtest("--config", present, "--history", history, "--suggest", "--per-day", "30", "--json"))[
        "suggestion"
    ]
    assert told["watches"]["tvl"] == proposed
    assert sum(one["events_a_day"] for one in told["classes"]) <= 30


def test_a_packed_file(backtest: Backtest, tmp_path: Path) -> None:
    path = tmp_path / "history.csv.gz"
    path.write_bytes(gzip.compress(HISTORY.encode()))
    assert json.loads(backtest("--history", path, "--json"))["samples"] == 5


@pytest.fixture
def from_table(backtest: Backtest, tmp_path: Path, database: str) -> FromTable:
    """Runs it over a table of history; the JSON that it printed."""

    def run(table: str = "analytics.tvl_history", **keys: Any) -> Any:
        path = config(tmp_path, **keys)
        return json.loads(backtest("--config", path, "--postgres-dsn", database, "--history", table, "--json"))

    return run


def test_a_table_in_the_order_of_its_times(from_table: FromTable, writer: psycopg.Connection) -> None:
    writer.execute("CREATE TABLE analytics.tvl_history (slug text, network text, usd numeric, at timestamptz)")
    writer.execute(
        "INSERT INTO analytics.tvl_history"
        " SELECT 'lido', 'ethereum', 100 + n, '2020-03-19 12:00Z'::timestamptz + n * interval '1 h'"
        " FROM generate_series(0, 24999) AS n ORDER BY n DESC"
    )
    document = from_table(percent=100)
    assert (document["samples"], document["results"][0]["notes"]) == (25_000, {})
    assert document["results"][0]["events"] == 7  # 100 doubles seven times before 25,099


@pytest.mark.parametrize("column_type", ["double precision", "text", "real"])
def test_numbers_of_other_types(from_table: FromTable, writer: psycopg.Connection, column_type: str) -> None:
    writer.execute(f"CREATE TABLE analytics.tvl_history (slug text, network text, usd {column_type}, at timestamp)")
    writer.execute(
        "INSERT INTO analytics.tvl_history VALUES ('lido', 'base', '0.1', '2024-03-19 12:00'),"
        " ('lido', 'base', 'NaN', '2024-03-19 13:00'), ('lido', 'base', NULL, '2024-03-19 14:00'),"
        " ('lido', 'base', '1e20', '2024-03-19 15:00')"
    )
    (result,) = from_table()["results"]
    assert result["reasons"] == {"not_finite": 1, "to_null": 1, "from_null": 1}


def test_rows_that_hold_no_sample_are_counted(from_table: FromTable, writer: psycopg.Connection) -> None:
    writer.execute("CREATE TABLE analytics.tvl_history (slug text, network text, usd text, at timestamptz)")
    writer.execute(
        "INSERT INTO analytics.tvl_history VALUES ('lido', 'base', '1', '2024-03-19 12:00Z'),"
        " ('lido', 'base', '1', NULL), ('lido', 'base', '1', '-infinity'), (NULL, 'base', '1', now()),"
        " ('lido', '', '1', now()), ('lido', 'base', 'many', now()), ('lido', 'base', '1e999999999', now()),"
        " (repeat('x', 1000), 'base', '1', now()), ('lido', 'base', '1', '0044-03-15 12:00Z BC')"
    )
    document = from_table()
    assert (document["samples"], document["unreadable"]) == (1, 8)


def test_a_hostile_name_is_a_name(from_table: FromTable, writer: psycopg.Connection) -> None:
    columns = {"chain": {"const": "x'); DROP TABLE x"}, "protocol": 'sl"ug', "value": "us{d}", "changed_at": "a%t"}
    writer.execute("""CREATE TABLE analytics."t""v" ("sl""ug" text, "us{d}" int, "a%%t" timestamptz)""", {})
    writer.execute("""INSERT INTO analytics."t""v" VALUES ('lido', 5, now())""")
    document = from_table('analytics.t"v', columns=columns)
    assert document["samples"] == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--history", "missing.csv"], "missing.csv cannot be read: No such file or directory"),
        (["--history", "/nowhere/history"], "/nowhere/history cannot be read"),
        (["--history", "history", "--watch", "tvl"], "there is no PostgreSQL address"),
        (["--history", "history"], "the settings have several: tvl, prices. Name one with --watch"),
        (["--history", "a.csv", "--config", "missing.yaml"], "missing.yaml"),
        (["--history", "a.csv", "--per-day", "5"], "Add --suggest"),
        (["--history", "a.csv", "--suggest", "--against", "x.yaml"], "Leave out --against"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(backtest: Backtest, arguments: list[str], complaint: str) -> None:
    said = backtest(*arguments, code=2)
    assert complaint in said
    assert said.count("\n") == 1


def test_metadata_has_no_thresholds(backtest: Backtest, tmp_path: Path) -> None:
    path = tmp_path / "protocols.csv"
    path.write_text("id,name,category\n1,Lido,Liquid Staking\n")
    said = backtest("--history", path, code=2)
    assert (
        "fit no feed: 'id, name, category'. Accepted headers are tvl: time, protocol, chain, tvl_usd; price: " in said
    )


def test_a_file_of_a_kind_of_the_settings_own(backtest: Backtest, tmp_path: Path) -> None:
    settings, path = tmp_path / "rtp.yaml", tmp_path / "pools.csv"
    settings.write_text(
        "kinds: {apr: {entity: pool}, apy: {entity: pool, percent: 5}}\n"
        "watches: {pools: {kind: apy, table: pools, columns: {pool: pool, value: apy}}}\n"
    )
    path.write_text("time,pool,apr,apy\n2024-03-19,x,1,10\n2024-03-20,x,9,10.4\n2024-03-21,x,1,11\n")
    document = json.loads(backtest("--config", settings, "--history", path, "--json"))
    assert (document["kind"], document["results"][0]["events"]) == ("apy", 1)
    assert document["top"] == [{"chain": "all", "entity": "x", "events": [1]}]


def test_a_bad_line_is_named(backtest: Backtest, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY + "2024-03-19T13:00:00Z,lido,base,many\n")
    assert "history.csv, line 7: tvl_usd 'many' is not a finite decimal number" in backtest("--history", path, code=2)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (None, 'relation "analytics.tvl_history" does not exist'),
        ("slug text, usd numeric, at timestamptz", 'column "network" does not exist'),
        ("slug text, network text, usd numeric, at text", "invalid input syntax for type timestamp"),
    ],
)
def test_a_table_that_does_not_fit(
    backtest: Backtest, tmp_path: Path, database: str, writer: psycopg.Connection, table: str | None, complaint: str
) -> None:
    if table:
        writer.execute(f"CREATE TABLE analytics.tvl_history ({table})")
        writer.execute(
            "INSERT INTO analytics.tvl_history (slug, at) VALUES ('lido', '12')" if "at text" in table else ""
        )
    said = backtest(
        "--config", config(tmp_path), "--postgres-dsn", database, "--history", "analytics.tvl_history", code=2
    )
    assert "analytics.tvl_history cannot be read as a history" in said
    assert complaint in said
    assert said.count("\n") == 1


def test_a_watch_without_times_has_no_history(backtest: Backtest, tmp_path: Path, database: str) -> None:
    path = config(tmp_path, columns={"protocol": "slug", "value": "usd"})
    said = backtest("--config", path, "--postgres-dsn", database, "--history", "analytics.tvl", code=2)
    assert "the watch maps no `changed_at`" in said


def test_the_sources_of_a_history_must_agree(backtest: Backtest, tmp_path: Path) -> None:
    columns = {"chain": "network", "protocol": "slug", "value": "usd", "changed_at": "at", "source": "feed"}
    settings = config(tmp_path, shape="history", columns=columns, agree={"sources": 2, "within": "5m"})
    lines = ("12:00:00Z,a,100", "12:00:10Z,b,100", "12:01:00Z,a,50", "12:02:00Z,b,90", "12:03:00Z,a,90")
    rows = "".join(f"2024-03-19T{time},lido,ethereum,{value},{source}\n" for time, source, value in _cells(lines))
    path = tmp_path / "sources.csv"
    path.write_text(f"time,protocol,chain,tvl_usd,source\n{rows}")
    found = json.loads(backtest("--config", settings, "--history", path, "--json"))
    assert found["results"][0]["reasons"] == {"deviation": 1}


def test_a_history_without_the_sources_that_must_agree(backtest: Backtest, history: Path, tmp_path: Path) -> None:
    columns = {"chain": "network", "protocol": "slug", "value": "usd", "changed_at": "at", "source": "feed"}
    settings = config(tmp_path, shape="history", columns=columns, agree=2)
    said = backtest("--config", settings, "--history", history, code=2)
    assert "has no column source: agree needs to know who says so" in said


def _cells(lines: tuple[str, ...]) -> list[list[str]]:
    return [line.split(",") for line in lines]
