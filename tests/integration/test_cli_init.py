"""`rtp init` on the databases of other people: what it proposes, what it writes, and what it leaves alone."""

from __future__ import annotations

import io
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from tests.catalog_snapshot import catalog_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.command import Command, Done

SCHEMAS = Path(__file__).with_name("other_schemas.sql").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def foreign(module_database: str) -> Iterator[str]:
    """The address of a database with all of these schemas."""
    with psycopg.connect(module_database, autocommit=True) as owner:
        owner.execute(SCHEMAS)
        owner.execute("CREATE ROLE init_reader LOGIN PASSWORD 'r'")
        owner.execute(
            "GRANT USAGE ON SCHEMA llama, app TO init_reader; GRANT SELECT ON llama.protocol_tvl TO init_reader"
        )
    yield module_database
    with psycopg.connect(module_database, autocommit=True) as owner:
        owner.execute("DROP OWNED BY init_reader; DROP ROLE init_reader")


@pytest.fixture
def init(command: Command, foreign: str, tmp_path: Path) -> Callable[..., Done]:
    """`rtp init` on that database, with its settings file in the test's own folder."""

    def run(*arguments: str, dsn: str = foreign) -> Done:
        environ = {"RTP_POSTGRES_DSN": dsn}
        return command("init", "--output", str(tmp_path / "rtp.yaml"), *arguments, environ=environ)

    return run


def written(tmp_path: Path) -> Any:
    return yaml.safe_load((tmp_path / "rtp.yaml").read_text(encoding="utf-8"))


def test_settings_for_all_that_can_be_watched_pass_validation(
    init: Callable[..., Done], command: Command, foreign: str, redis_url: str, tmp_path: Path
) -> None:
    done = init("--yes")
    assert done.code == 0, done.err
    assert {name: watch["kind"] for name, watch in written(tmp_path)["watches"].items()} == {
        "coins": "price",
        "pools_apy": "apy",
        "pools_tvl": "tvl",
        "llama_protocol_tvl": "tvl",
        "protocols": "protocol",
        "app_protocol_tvl": "tvl",
        "lending_market_rtp": "apy",
        "prices": "price",
    }
    places = {"RTP_POSTGRES_DSN": foreign, "RTP_REDIS_URL": redis_url}
    checked = command("validate", "--config", str(tmp_path / "rtp.yaml"), environ=places)
    assert (checked.code, checked.out) == (0, "All is well: 8 watches, and every service answers.\n"), checked.err


def test_each_watch_is_proposed_with_a_reason_and_the_next_commands_are_told(
    init: Callable[..., Done], tmp_path: Path
) -> None:
    out = init("--yes", "--schema", "llama").out
    assert "llama.protocol_tvl.tvl looks like TVL: numeric, one row per slug and network, not updated so far\n" in out
    assert "  held to a peg of 1: USDC\n" in out
    assert f"Wrote {tmp_path / 'rtp.yaml'}: 5 watches." in out
    assert "has all the rights that it needs.\nNext:\n  export RTP_REDIS_URL=" in out
    assert f"  rtp install-triggers --config {tmp_path / 'rtp.yaml'} " in out
    assert out.endswith(f"  rtp run --config {tmp_path / 'rtp.yaml'}\n")


def test_a_time_without_a_zone_is_read_in_the_zone_in_which_it_is_now(
    init: Callable[..., Done], tmp_path: Path
) -> None:
    assert init("--yes", "--table", "app.ProtocolTvl").code == 0
    assert written(tmp_path)["watches"]["protocol_tvl"]["timezone"] == "Etc/GMT-9"


def test_a_history_by_partitions_gets_thresholds_from_what_it_holds(init: Callable[..., Done], tmp_path: Path) -> None:
    done = init("--yes", "--schema", "series")
    watch = written(tmp_path)["watches"]["prices"]
    assert (watch["shape"], watch["columns"]["changed_at"]) == ("history", "time")
    assert [override["token"] for override in watch["overrides"]] == ["USDC"]
    assert "  its partitions are watched, too: 2 by now\n" in done.out
    assert "events a day of all, as 1.9 days of series.prices show" in done.out


def test_rounds_of_a_feed_can_be_watched_once_their_time_is_one(
    init: Callable[..., Done], foreign: str, tmp_path: Path
) -> None:
    refused = init("--yes", "--schema", "chainlink")
    assert refused.code == 2
    [what, _] = refused.err.splitlines()
    assert "updated_at holds seconds since 1970" in what
    with psycopg.connect(foreign) as owner:
        owner.execute(what.partition("rewrites the table: ")[2].encode())
        owner.commit()
        assert init("--yes", "--schema", "chainlink").code == 0
        owner.execute("ALTER TABLE chainlink.rounds DROP COLUMN sampled_at")
    settings = written(tmp_path)
    assert settings["kinds"]["feed_price"] == {"entity": "feed", "percent": 0.1, "peg": True}
    watch = settings["watches"]["rounds"]
    assert (watch["shape"], watch["columns"]["changed_at"]) == ("history", "sampled_at")
    assert watch["overrides"][-1]["peg"]["value"] == 100000000


def test_what_is_no_table_or_has_a_name_that_no_file_can_say_is_said_and_stops_nothing_else(
    init: Callable[..., Done], foreign: str, tmp_path: Path
) -> None:
    with psycopg.connect(foreign, autocommit=True) as owner:
        owner.execute("""
            CREATE SCHEMA odd;
            CREATE TABLE odd.tvl (protocol text PRIMARY KEY, tvl numeric);
            CREATE VIEW odd.tvl_view AS SELECT * FROM odd.tvl;
            CREATE MATERIALIZED VIEW odd.tvl_daily AS SELECT * FROM odd.tvl;
            CREATE TABLE odd."tvl\nof old" (protocol text PRIMARY KEY, tvl numeric);
        """)
        done = init("--yes", "--schema", "odd")
        owner.execute("DROP SCHEMA odd CASCADE")
    assert (done.code, list(written(tmp_path)["watches"])) == (0, ["tvl"])
    said = dict(line.split(" looks like TVL, but ") for line in done.err.splitlines())
    assert said == {
        "odd.tvl_daily.tvl": "it is a materialized view, which fires no triggers. Watch a table that it is made from",
        "odd.tvl_view.tvl": (
            "it is a view, and triggers fire for what is written to tables. Watch a table that it is made from"
        ),
        "odd.tvl�of old.tvl": "a settings file cannot say a name with a control character in it. Rename it",
    }


def test_where_nothing_fits_one_line_says_so_and_nothing_is_written(init: Callable[..., Done], tmp_path: Path) -> None:
    done = init("--yes", "--schema", "shop")
    assert (done.code, list(tmp_path.iterdir())) == (2, [])
    assert done.err.startswith("nothing here looks like TVL, a price, ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--schema", "llame"], "option --schema: there is no table in a schema llame of database "),
        (["--table", "llama.tvl"], "option --table: database "),
        (["--output", "/nowhere/rtp.yaml"], "there is no folder /nowhere to write rtp.yaml to. "),
        (
            ["--postgres-dsn", "postgresql://x:secret@127.0.0.1:1/defi"],
            "PostgreSQL at 127.0.0.1:1/defi is not reachable: ",
        ),
    ],
)
def test_what_is_wrong_is_one_line(init: Callable[..., Done], arguments: list[str], said: str) -> None:
    done = init("--yes", *arguments)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(said)
    assert "secret" not in done.err


def test_a_database_without_tables_is_named(command: Command, database: str, tmp_path: Path) -> None:
    done = command("init", "--yes", "--output", str(tmp_path / "rtp.yaml"), environ={"RTP_POSTGRES_DSN": database})
    name = database.rpartition("/")[2]
    assert done.err == f"database {name} holds no tables that rtp could watch. Connect to the one that does\n"


def test_a_role_that_only_reads_is_told_which_grants_it_lacks(init: Callable[..., Done], foreign: str) -> None:
    done = init("--yes", "--schema", "llama", dsn=make_conninfo(foreign, user="init_reader", password="r"))
    assert done.code == 0
    assert '  GRANT TRIGGER ON "llama"."protocol_tvl" TO "init_reader";\n' in done.out
    assert (
        "llama.pools.apy looks like an APY, but role init_reader may not read llama.pools. As its owner: " in done.err
    )


def test_a_role_is_not_called_fit_where_another_one_has_installed_rtp(init: Callable[..., Done], foreign: str) -> None:
    with psycopg.connect(foreign, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA rtp; CREATE TABLE rtp.installation ()")
        done = init("--yes", "--schema", "llama", dsn=make_conninfo(foreign, user="init_reader", password="r"))
        owner.execute("DROP SCHEMA rtp CASCADE")
    assert done.code == 1
    assert "postgres: role init_reader is not the one that installed rtp" in done.err
    assert "has all the rights" not in done.out


def test_a_table_that_somebody_keeps_locked_holds_up_nothing_else(init: Callable[..., Done], foreign: str) -> None:
    with psycopg.connect(foreign) as somebody:
        somebody.execute("LOCK TABLE llama.pools")
        done = init("--yes", "--schema", "llama")
    assert "llama.pools.apy looks like an APY, but somebody keeps it locked. " in done.err
    assert "Wrote" in done.out


def test_a_file_that_is_there_is_left_alone_without_force(init: Callable[..., Done], tmp_path: Path) -> None:
    file = tmp_path / "rtp.yaml"
    file.write_text("mine")
    done = init("--yes", "--schema", "llama")
    assert (done.code, file.read_text()) == (2, "mine")
    assert done.err.startswith(f"{file} is there already, and stays as it is. ")
    assert init("--yes", "--schema", "llama", "--force").code == 0
    assert "watches" in written(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["rtp.yaml"]


def test_each_proposal_is_taken_left_out_or_changed(
    init: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ["n", "percent=much", "percent=7 columns.chain= cooldown=1h", "", "n", "a"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{answer}\n" for answer in answers)))
    done = init("--schema", "llama")
    assert done.code == 0, done.err
    assert "percent: must be a number, not much\n" in done.err
    watches = written(tmp_path)["watches"]
    assert list(watches) == ["pools_apy", "protocol_tvl", "protocols"]
    assert (watches["pools_apy"]["percent"], watches["pools_apy"]["cooldown"]) == (7, "1h")
    assert "chain" not in watches["pools_apy"]["columns"]


def test_questions_without_an_answer_write_nothing(
    init: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    done = init("--schema", "llama")
    assert (done.code, list(tmp_path.iterdir())) == (2, [])
    assert done.err.endswith(
        "the questions were not answered, and nothing was written. Take all proposals with --yes\n"
    )


def test_as_json_it_only_looks_unless_all_is_taken(init: Callable[..., Done], foreign: str, tmp_path: Path) -> None:
    with closing(psycopg.connect(foreign)) as owner:
        before = catalog_of(owner)
        found = init("--json", "--schema", "app").document
        assert catalog_of(owner) == before
    assert [one["place"] for one in found["proposals"]] == [
        'app.Lending "Market" $rtp$.supply Apy %s',
        "app.ProtocolTvl.tvlUsd",
    ]
    assert (found["file"], list(tmp_path.iterdir())) == (None, [])
    assert init("--json", "--yes", "--schema", "app").document["file"] == str(tmp_path / "rtp.yaml")
    assert len(written(tmp_path)["watches"]) == 2
