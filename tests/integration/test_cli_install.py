"""`rtp install-triggers` and `rtp uninstall-triggers`: what they print, what they leave, and how they refuse."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg
import pytest
import yaml
from psycopg import sql

from tests.catalog_snapshot import catalog_of
from tests.command import Command, Done
from tests.default_document import default_document

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., Done]

NOBODY = "postgresql://rtp:s3cret@127.0.0.1:1/defi"
HOSTILE = "[/red][bold]t"


@pytest.fixture
def install(command: Command, database: str) -> Run:
    def run(*arguments: str, dsn: str = database) -> Done:
        return command("install-triggers", "--postgres-dsn", dsn, *arguments)

    return run


@pytest.fixture
def uninstall(command: Command, database: str) -> Run:
    def run(*arguments: str, dsn: str = database) -> Done:
        return command("uninstall-triggers", "--postgres-dsn", dsn, *arguments)

    return run


def lines_of(table: str) -> list[str]:
    """A printed table's lines, with one space where there are several."""
    return [re.sub(" +", " ", line).strip() for line in table.splitlines()]


# Installing


def test_it_prints_a_table_of_what_it_did(bare: psycopg.Connection, install: Run) -> None:
    assert lines_of(install().out) == [
        "What Detail",
        "created schema rtp log, baselines, cursors, dead letters",
        "replaced schema rtp functions that the triggers share",
        "created watch tvl public.tvl, triggers",
        "created watch prices public.prices, triggers",
        "created watch protocols public.protocols, triggers",
        "Next: rtp run",
    ]


def test_it_ends_with_0_and_no_word_on_standard_error(bare: psycopg.Connection, install: Run) -> None:
    done = install()
    assert (done.code, done.err) == (0, "")


def test_again_it_says_that_nothing_changes(bare: psycopg.Connection, install: Run) -> None:
    install()
    assert lines_of(install().out)[1:] == [
        "unchanged watch tvl public.tvl",
        "unchanged watch prices public.prices",
        "unchanged watch protocols public.protocols",
    ]


def test_as_json_it_is_one_document(bare: psycopg.Connection, install: Run) -> None:
    install()
    actions = install("--json").document["actions"]
    assert actions[0] == {"what": "unchanged", "subject": "watch tvl", "detail": "public.tvl"}


def test_a_dry_run_prints_sql_that_installs(bare: psycopg.Connection, install: Run) -> None:
    bare.execute(install("--dry-run", "--sql").out.encode())
    assert install("--json").document["actions"][0]["what"] == "unchanged"


def test_a_dry_run_changes_nothing(bare: psycopg.Connection, install: Run) -> None:
    before = catalog_of(bare)
    install("--dry-run")
    assert catalog_of(bare) == before


def test_a_dry_run_as_json_holds_the_same_sql(bare: psycopg.Connection, install: Run) -> None:
    assert install("--dry-run", "--sql", "--json").document["sql"] + "\n" == install("--dry-run", "--sql").out


def test_a_dry_run_is_a_page_of_what_would_change(bare: psycopg.Connection, install: Run) -> None:
    bare.execute("INSERT INTO tvl SELECT 'base', n, n, '' FROM generate_series(1, 1000) AS n; ANALYZE tvl")
    page = install("--dry-run").out
    assert page.count("\n") < 40
    parts = ("created  watch tvl", "rtp_tvl_{insert", "SHARE ROW", "writers", "1,000", "+ watch_tvl")
    assert [part for part in parts if part not in page] == []


def test_a_dry_run_as_json_tells_of_each_table(bare: psycopg.Connection, install: Run) -> None:
    document = install("--dry-run", "--json").document
    (tvl,) = (table for table in document["tables"] if table["table"] == "public.tvl")
    assert (tvl["lock"], tvl["keeps_out"], tvl["is_read"], len(tvl["makes"]), tvl["drops"]) == (
        *("SHARE ROW EXCLUSIVE", "writers", True),
        *(4, []),
    )
    assert document["actions"][0]["what"] == "created"


def test_a_changed_threshold_takes_no_lock_as_its_dry_run_says(
    bare: psycopg.Connection, install: Run, tmp_path: Path
) -> None:
    install()
    document = default_document()
    document["watches"]["tvl"]["percent"] = 3
    config = tmp_path / "rtp.yaml"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    shown = install("--dry-run", "--json", "-c", str(config)).document
    assert ([action["subject"] for action in shown["actions"]], shown["tables"]) == (["watch tvl"], [])
    del document["watches"]["tvl"]
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    (gone,) = install("--dry-run", "--json", "-c", str(config)).document["tables"]
    assert (gone["table"], gone["lock"], len(gone["drops"])) == ("public.tvl", "ACCESS EXCLUSIVE", 4)


def test_sql_without_a_dry_run_is_refused(bare: psycopg.Connection, install: Run) -> None:
    done = install("--sql")
    assert (done.code, done.err) == (2, "option --sql goes with --dry-run. Say --dry-run --sql\n")


def test_a_tables_name_is_no_markup(bare: psycopg.Connection, install: Run, tmp_path: Path) -> None:
    bare.execute(sql.SQL("ALTER TABLE tvl RENAME TO {}").format(sql.Identifier(HOSTILE)))
    document = default_document()
    document["watches"]["tvl"]["table"] = f"public.{HOSTILE}"
    config = tmp_path / "rtp.yaml"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert f"created watch tvl public.{HOSTILE}, triggers" in lines_of(install("-c", str(config)).out)


# Removing


def test_uninstalling_leaves_nothing(bare: psycopg.Connection, install: Run, uninstall: Run) -> None:
    before = catalog_of(bare)
    install()
    code = uninstall().code
    assert (code, catalog_of(bare) - before, before - catalog_of(bare)) == (0, set(), set())


def test_uninstalling_prints_a_table_of_what_it_removed(bare: psycopg.Connection, install: Run, uninstall: Run) -> None:
    install()
    lines = lines_of(uninstall().out)
    assert (lines[1], lines[-1]) == (
        "removed public.prices trigger rtp_prices_before_truncate",
        "removed schema rtp log, baselines, cursors, dead letters",
    )


def test_a_tables_name_does_nothing_to_the_terminal(bare: psycopg.Connection, install: Run, uninstall: Run) -> None:
    install()
    bare.execute('ALTER TABLE tvl RENAME TO "t\x1b[2J"')
    assert uninstall().out.replace("\n", "").isprintable()


def test_a_dry_run_of_uninstalling_changes_nothing(bare: psycopg.Connection, install: Run, uninstall: Run) -> None:
    install()
    before = catalog_of(bare)
    assert "removed schema rtp log, baselines, cursors, dead letters" in lines_of(uninstall("--dry-run").out)
    text = uninstall("--dry-run", "--sql").out
    assert ("DROP SCHEMA" in text, catalog_of(bare)) == (True, before)


def test_uninstalling_where_nothing_is_says_so(bare: psycopg.Connection, uninstall: Run) -> None:
    done = uninstall()
    assert (done.code, done.out, done.err) == (0, "", "There was nothing to do.\n")


def test_uninstalling_where_nothing_is_has_an_empty_document(bare: psycopg.Connection, uninstall: Run) -> None:
    assert uninstall("--json").document == {"actions": []}


# What they refuse


def test_without_the_right_to_create_a_schema_it_is_one_line(
    bare: psycopg.Connection, weak_dsn: str, install: Run
) -> None:
    role = sql.Identifier(f"weak_{bare.info.dbname}")
    bare.execute(sql.SQL("GRANT SELECT, TRIGGER ON tvl, prices, protocols TO {}").format(role))
    done = install(dsn=weak_dsn)
    (line,) = done.err.splitlines()
    is_clear = f"may not create the schema rtp in database {bare.info.dbname}" in line
    assert (done.code, done.out, is_clear) == (2, "", True)


def test_without_a_right_nothing_is_half_installed(bare: psycopg.Connection, weak_dsn: str, install: Run) -> None:
    role = sql.Identifier(f"weak_{bare.info.dbname}")
    bare.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(bare.info.dbname), role))
    bare.execute(sql.SQL("GRANT SELECT, TRIGGER ON tvl, prices TO {}").format(role))  # and not on protocols
    before = catalog_of(bare)
    code = install(dsn=weak_dsn).code
    assert (code, catalog_of(bare)) == (2, before)


def test_a_stranger_cannot_uninstall(bare: psycopg.Connection, weak_dsn: str, install: Run, uninstall: Run) -> None:
    install()
    before = catalog_of(bare)
    done = uninstall(dsn=weak_dsn)
    line = (
        f"role weak_{bare.info.dbname} may not read the schema rtp: permission denied for schema rtp."
        " Connect as the role that installed it: rtp_owner\n"
    )
    assert (done.code, done.err, catalog_of(bare)) == (2, line, before)


@pytest.mark.parametrize("name", ["install-triggers", "uninstall-triggers"])
def test_an_unreachable_server_is_one_line_without_the_password(command: Command, name: str) -> None:
    done = command(name, "--postgres-dsn", NOBODY)
    (line,) = done.err.splitlines()
    is_clear = line.startswith("PostgreSQL at 127.0.0.1:1/defi is not reachable: ") and "Connection refused" in line
    assert (done.code, done.out, is_clear, "s3cret" in line) == (2, "", True, False)


@pytest.mark.parametrize("name", ["install-triggers", "uninstall-triggers"])
def test_without_an_address_it_says_where_to_give_one(command: Command, name: str) -> None:
    done = command(name)
    line = "there is no PostgreSQL address. Set RTP_POSTGRES_DSN, postgres.dsn or --postgres-dsn\n"
    assert (done.code, done.out, done.err) == (2, "", line)
