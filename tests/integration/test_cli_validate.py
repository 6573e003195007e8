"""`rtp validate`: one line and exit code 2 for each thing that would not work, and no change to anything.

Every single finding is in test_validator.py, every mistake in the YAML in unit/test_settings_file.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from core.settings.file import default_path
from rtp_client.keys import STREAM
from tests.catalog_snapshot import catalog_of
from tests.command import Command, Done

if TYPE_CHECKING:
    from pathlib import Path

    from core.settings.models import Settings

Validate = Callable[..., Done]

COLUMNS = {"chain": "chain", "protocol": "protocol", "value": "tvl_usd"}
MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"table": "defi.tvl"},
        "watches.tvl.table: table defi.tvl does not exist. Create it, or correct the name (schema.table)",
    ),
    (
        {"columns": COLUMNS | {"value": "tvl_us"}},
        "watches.tvl.columns.value: public.tvl has no column tvl_us. Did you mean tvl_usd?",
    ),
    (
        {"columns": COLUMNS | {"changed_at": "source"}},
        "watches.tvl.columns.changed_at: column source of public.tvl is text. It must be one of: date, "
        "timestamp with time zone, timestamp without time zone",
    ),
]


def test_good_settings_are_said_to_be_good(validate: Validate) -> None:
    done = validate()
    assert (done.code, done.out, done.err) == (0, "All is well: 3 watches, and every service answers.\n", "")


def test_good_settings_as_json(validate: Validate) -> None:
    found = validate("--json").document
    assert (found["valid"], found["problems"], found["warnings"]) == (True, [], [])


def test_it_warns_where_rtp_serve_would_not_start(validate: Validate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTP_SERVE_LISTEN", "0.0.0.0:8787")
    done = validate()
    assert (done.code, done.err.splitlines()) == (
        0,
        [
            "warning: rtp serve will not start: serve.listen: 0.0.0.0:8787 is open to other machines, and anybody there"
            " could read everything. Set RTP_SERVE_TOKEN or serve.jwt, or listen on 127.0.0.1"
        ],
    )


def test_it_says_who_could_not_be_told(validate: Validate) -> None:
    done = validate(notify=[{"name": "desk", "to": ["jsom://localhost", {"env": "RTP_NOBODY"}]}])
    assert (done.code, done.err.splitlines()) == (
        2,
        [
            "notify[0].to[0]: Apprise knows no service jsom://. Did you mean json://?",
            "warning: desk/2: its address is in RTP_NOBODY, which is not set here",
        ],
    )


def test_it_warns_of_an_audience_that_can_hear_nothing(validate: Validate) -> None:
    done = validate(notify=[{"name": "desk", "to": "json://localhost", "match": {"reason": "depeg"}}])
    assert done.code == 0
    assert done.err.startswith("warning: notify[0] (desk) can never match: watch prices never gives the reason depeg")


def test_it_changes_nothing_in_the_database(bare: psycopg.Connection, database: str, validate: Validate) -> None:
    before = catalog_of(bare)
    validate(dsn=database)
    assert catalog_of(bare) == before


def test_it_delivers_nothing(validate: Validate, settings: Settings) -> None:
    import redis  # noqa: PLC0415

    validate()
    with redis.Redis.from_url(str(settings.redis.url)) as client:
        assert client.exists(STREAM) == 0


@pytest.mark.parametrize(("keys", "line"), MISTAKES, ids=["table", "column", "type"])
def test_what_does_not_fit_the_database_is_one_line(validate: Validate, keys: dict[str, Any], line: str) -> None:
    done = validate(tvl=keys)
    assert (done.code, done.out, done.err) == (2, "", f"{line}\n")


def test_every_problem_has_its_line(validate: Validate) -> None:
    done = validate(tvl={"table": "public.tvls"}, prices={"table": "public.price"})
    assert {line.partition(":")[0] for line in done.err.splitlines()} == {"watches.tvl.table", "watches.prices.table"}


def test_problems_as_json(validate: Validate) -> None:
    done = validate("--json", tvl=MISTAKES[0][0])
    assert (done.code, done.document["valid"], done.document["problems"]) == (2, False, [MISTAKES[0][1]])
    assert done.err == ""


def test_a_missing_privilege_is_one_line_with_the_grant(
    bare: psycopg.Connection, weak_dsn: str, validate: Validate
) -> None:
    database, role = bare.info.dbname, f"weak_{bare.info.dbname}"
    for rights in ("CREATE ON DATABASE {}", "SELECT, TRIGGER ON prices, protocols", "SELECT ON tvl"):
        right = sql.SQL(rights).format(sql.Identifier(database)) if "{}" in rights else sql.SQL(rights)
        bare.execute(sql.SQL("GRANT {} TO {}").format(right, sql.Identifier(role)))
    done = validate(dsn=weak_dsn)
    assert (done.code, done.err) == (
        2,
        f"watches.tvl.table: role {role} lacks TRIGGER on public.tvl."
        f' As its owner: GRANT TRIGGER ON "public"."tvl" TO "{role}"\n',
    )


# The file


def test_a_mistake_in_the_file_is_one_line_with_file_line_and_key(command: Command, tmp_path: Path) -> None:
    text = default_path().read_text(encoding="utf-8")
    path = tmp_path / "rtp.yaml"
    path.write_text(text.replace("    percent: 1 ", "    percent: -1 "), encoding="utf-8")
    number = next(n for n, line in enumerate(text.splitlines(), start=1) if line.startswith("    percent: 1 "))
    done = command("validate", "--config", str(path))
    assert (done.code, done.out, done.err.splitlines()) == (
        *(2, ""),
        [f"{path}:{number}: watches.tvl.percent: must be 0 or more, not -1"],
    )


def test_a_file_that_is_not_there_is_one_line(command: Command, tmp_path: Path) -> None:
    done = command("validate", "--config", str(tmp_path / "none.yaml"))
    assert (done.code, done.err.count("\n"), str(tmp_path / "none.yaml") in done.err) == (2, 1, True)


# Services


@pytest.mark.parametrize(
    ("options", "start"),
    [
        (
            ("--postgres-dsn", "postgresql://rtp:s3cret@127.0.0.1:1/defi"),
            "PostgreSQL at 127.0.0.1:1/defi is not reachable: ",
        ),
        (("--redis-url", "redis://:s3cret@127.0.0.1:1"), "Redis at redis://:***@127.0.0.1:1 is not reachable: "),
        (("--sqs-endpoint-url", "http://127.0.0.1:1"), "SQS at http://127.0.0.1:1 "),
        (("--sqs-queue", "none.fifo"), "SQS at "),
    ],
    ids=["postgres", "redis", "sqs", "queue"],
)
def test_a_service_that_does_not_answer_is_one_line(validate: Validate, options: tuple[str, ...], start: str) -> None:
    done = validate(*options)
    (line,) = done.err.splitlines()
    assert (done.code, line.startswith(start), "s3cret" in line) == (2, True, False)


def test_each_service_that_does_not_answer_has_its_line(validate: Validate) -> None:
    done = validate(
        *("--postgres-dsn", "postgresql://127.0.0.1:1/defi"),
        *("--redis-url", "redis://127.0.0.1:1"),
        *("--sqs-endpoint-url", "http://127.0.0.1:1"),
    )
    assert [line.split()[0] for line in done.err.splitlines()] == ["PostgreSQL", "Redis", "SQS"]
