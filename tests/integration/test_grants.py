"""rtp as a guest: with the grants of the README, on tables of somebody else's, in a schema of somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from core.services.postgres import connect
from tests.catalog_snapshot import catalog_of
from tests.command import Command, Done
from tests.judging import judge_waiting
from tests.rtp_process import rtp as rtp_process
from tests.tvl_table import write
from tests.watching import settings_of
from triggers.risks import find_risks

TVL: dict[str, Any] = {
    "kind": "tvl",
    "table": "public.tvl",
    "columns": {"chain": "chain", "protocol": "protocol", "value": "tvl_usd"},
}
PRICES: dict[str, Any] = {
    "kind": "price",
    "table": "public.prices",
    "heartbeat": "1h",
    "columns": {"chain": "chain", "token": "token", "value": "price_usd"},
}
PROTOCOLS: dict[str, Any] = {
    "kind": "protocol",
    "table": "public.protocols",
    "columns": {"protocol": "protocol"},
    "watched": ["name"],
}
WATCHES = {"tvl": TVL, "prices": PRICES, "protocols": PROTOCOLS}
PARTS: dict[str, Any] = {**TVL, "table": "market.parts"}
Rtp = Callable[..., Done]


@pytest.fixture
def guest(weak_dsn: str, bare: psycopg.Connection) -> str:
    """The role of rtp's, which owns nothing and may log in."""
    return f"weak_{bare.info.dbname}"


@pytest.fixture
def rtp(command: Command, weak_dsn: str, redis_url: str, tmp_path: Path) -> Rtp:
    """Runs a command as that role, with some watches."""
    path = tmp_path / "rtp.yaml"

    def run(*arguments: str, watches: dict[str, Any] = WATCHES, dsn: str = weak_dsn) -> Done:
        path.write_text(yaml.safe_dump({"watches": watches, "redis": {"url": redis_url}}), encoding="utf-8")
        return command(*arguments, "--config", str(path), "--postgres-dsn", dsn)

    return run


@pytest.fixture
def alice(bare: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The owner of the tables, who is no superuser."""
    role = f"alice_{bare.info.dbname}"
    bare.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'pw'").format(sql.Identifier(role)))
    bare.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(role)))
    for table in ("tvl", "prices", "protocols"):
        change = sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(table), sql.Identifier(role))
        bare.execute(change)
    bare.execute(
        sql.SQL(
            "CREATE SCHEMA market AUTHORIZATION {0}; SET ROLE {0};"
            "CREATE TABLE market.parts (chain text, protocol text, tvl_usd numeric, PRIMARY KEY (chain, protocol))"
            " PARTITION BY LIST (chain);"
            "CREATE TABLE market.parts_eth PARTITION OF market.parts FOR VALUES IN ('ethereum');"
            "CREATE TABLE market.parts_base PARTITION OF market.parts FOR VALUES IN ('base');"
            "RESET ROLE"
        ).format(sql.Identifier(role))
    )
    dsn = psycopg.conninfo.make_conninfo(bare.info.dsn, user=role, password="pw")
    with closing(connect(dsn, role="alice")) as connection:
        yield connection
    bare.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role)))
    bare.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def grant_as_the_readme_says(bare: psycopg.Connection, guest: str) -> None:
    for rights in (f'CREATE ON DATABASE "{bare.info.dbname}"', "USAGE ON SCHEMA public"):
        bare.execute(f'GRANT {rights} TO "{guest}"'.encode())
    bare.execute(f'GRANT SELECT, TRIGGER ON public.tvl, public.prices, public.protocols TO "{guest}"'.encode())


def told(bare: psycopg.Connection) -> list[Any]:
    return bare.execute("SELECT previous, current FROM rtp.event WHERE entity = 'lido' ORDER BY id").fetchall()


# With the README's grants


def test_all_that_changes_of_the_settings_need_works_with_the_readmes_grants(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp
) -> None:
    grant_as_the_readme_says(bare, guest)
    before = catalog_of(bare)
    changes = [
        WATCHES,
        {**WATCHES, "tvl": {**TVL, "percent": 2}},
        {**WATCHES, "tvl": {**TVL, "cooldown": "1m"}},
        {"renamed": TVL, "prices": PRICES},
        {"renamed": {**TVL, "shape": "history", "columns": {**TVL["columns"], "changed_at": "updated_at"}}},
        {"renamed": {**PRICES, "table": "public.prices"}},
        WATCHES,
    ]
    for watches in changes:
        done = rtp("install-triggers", watches=watches)
        assert (done.code, done.err) == (0, "")
        assert rtp("validate", "--installed", watches=watches).code == 0
    done = rtp("uninstall-triggers")
    assert (done.code, catalog_of(bare) ^ before) == (0, set())


def test_with_the_readmes_grants_events_are_made_judged_and_read(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp, weak_dsn: str
) -> None:
    grant_as_the_readme_says(bare, guest)
    assert rtp("install-triggers", watches={"tvl": {**TVL, "heartbeat": "1h"}}).code == 0
    for value in (100, 200):
        write(alice, value)
    with closing(connect(weak_dsn, role="test")) as own:
        judge_waiting(own)
    assert told(bare) == [(100, 200)]
    assert [rtp(*words).code for words in (("status",), ("explain", "--kind", "tvl", "--protocol", "lido"))] == [0, 0]


def test_of_a_table_of_aliases_the_role_needs_to_read_it(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp
) -> None:
    grant_as_the_readme_says(bare, guest)
    alice.execute("CREATE TABLE renames (old text, new text); INSERT INTO renames VALUES ('uni', 'uniswap')")
    watches = {"tvl": {**TVL, "aliases": {"table": "renames", "from": "old", "to": "new"}}}
    done = rtp("install-triggers", watches=watches)
    assert done.code == 2
    assert f"watches.tvl.aliases.table: role {guest} lacks SELECT on public.renames" in done.err
    granted = [line for line in rtp("grants", watches=watches).out.splitlines() if "renames" in line]
    assert granted == [f'GRANT SELECT ON "public"."renames" TO "{guest}";']
    alice.execute(granted[0].encode())
    assert rtp("install-triggers", watches=watches).code == 0
    alice.execute("UPDATE renames SET new = 'uniswap-v4'")
    assert rtp("validate", "--installed", watches=watches).code == 1


def test_with_the_readmes_grants_rtp_run_judges_and_delivers(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp, tmp_path: Path, weak_dsn: str
) -> None:
    grant_as_the_readme_says(bare, guest)
    rtp("install-triggers")
    for value in (100, 200):
        write(alice, value)
        alice.execute(
            "INSERT INTO prices (chain, token, price_usd, source) VALUES ('base', 'eth', %s, '')"
            " ON CONFLICT (chain, token) DO UPDATE SET price_usd = excluded.price_usd",
            [value],
        )
    alice.execute("TRUNCATE tvl; INSERT INTO tvl VALUES ('ethereum', 'lido', 400, '')")
    words = ("run", "--until-idle", "--json", "--config", str(tmp_path / "rtp.yaml"))
    with rtp_process(*words, environ={"RTP_POSTGRES_DSN": weak_dsn}) as running:
        assert (running.end(), "denied" in running.err) == (0, False)
    found = bare.execute("SELECT entity, previous, current FROM rtp.event ORDER BY entity, id").fetchall()
    assert found == [("eth", 100, 200), ("lido", 100, 200), ("lido", 200, 400)]
    assert rtp("uninstall-triggers").code == 0


def test_a_removed_watch_reports_nothing_any_more(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp
) -> None:
    grant_as_the_readme_says(bare, guest)
    rtp("install-triggers")
    for value in (100, 200):
        write(alice, value)
    rtp("install-triggers", watches={"prices": PRICES})
    write(alice, 400)
    triggers = bare.execute("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'tvl'::regclass").fetchone()
    assert (told(bare), triggers) == ([(100, 200)], (0,))


def test_a_partition_that_was_taken_out_keeps_no_trigger(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp
) -> None:
    bare.execute("\n".join(rtp("grants", watches={"parts": PARTS}).out.splitlines()).encode())
    assert rtp("install-triggers", watches={"parts": PARTS}).code == 0
    alice.execute("ALTER TABLE market.parts DETACH PARTITION market.parts_base")
    assert rtp("install-triggers", watches={"parts": PARTS}).code == 0
    alice.execute("INSERT INTO market.parts VALUES ('ethereum', 'lido', 1)")
    alice.execute("UPDATE market.parts_eth SET tvl_usd = 100")
    found = bare.execute(
        "SELECT tgrelid::regclass::text, count(*) FROM pg_trigger WHERE tgname LIKE 'rtp_%' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert (found, told(bare)) == ([("market.parts", 4), ("market.parts_eth", 4)], [(1, 100)])


def test_a_partition_without_the_right_holds_up_no_other_watch(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp
) -> None:
    watches = {"parts": PARTS, "tvl": TVL}
    bare.execute(rtp("grants", watches=watches).out.encode())
    assert rtp("install-triggers", watches=watches).code == 0
    alice.execute("CREATE TABLE market.parts_new PARTITION OF market.parts FOR VALUES IN ('new')")
    alone = rtp("install-triggers", watches=watches)
    lacking = f"role {guest} lacks TRIGGER on market.parts_new"
    assert (alone.code, lacking in alone.err) == (2, True)

    changed = {**watches, "tvl": {**TVL, "percent": 60}}
    done = rtp("install-triggers", "--json", watches=changed)
    actions = {action["subject"]: action for action in done.document["actions"]}
    assert (done.code, actions["watch tvl"]["what"], actions["watch parts"]["what"]) == (1, "replaced", "held up")
    assert lacking in actions["watch parts"]["detail"]
    assert rtp("install-triggers", "--dry-run", watches={"parts": PARTS}).code == 1

    bare.execute(rtp("validate", watches=changed).out.encode())
    assert rtp("install-triggers", watches=changed).code == 0
    assert rtp("validate", "--installed", watches=changed).code == 0


# Before them


def test_validate_lists_all_that_is_missing_with_a_block_that_grants_it(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp
) -> None:
    watches = {**WATCHES, "parts": PARTS}
    before = rtp("validate", watches=watches)
    bare.execute(before.out.encode())
    after = rtp("validate", watches=watches)
    assert (before.code, after.code, rtp("install-triggers", watches=watches).code) == (2, 0, 0)
    assert "role may" not in after.out
    assert before.err.splitlines() == [
        f"postgres: role {guest} may not create the schema rtp in database {bare.info.dbname}."
        f' As its owner: GRANT CREATE ON DATABASE "{bare.info.dbname}" TO "{guest}"',
        f"watches.parts.table: role {guest} may not use the schema market."
        f' As its owner: GRANT USAGE ON SCHEMA "market" TO "{guest}"',
        *(
            line
            for table in ("market.parts", "public.prices", "public.protocols", "public.tvl")
            for line in missing(guest, table)
        ),
    ]


def missing(guest: str, table: str) -> list[str]:
    places = {"market.parts": "market.parts, market.parts_base, market.parts_eth"}
    return [
        f"watches.{table.partition('.')[2]}.table: role {guest} lacks {privilege} on {names}. As its owner:"
        f' GRANT {privilege} ON {", ".join(quoted(name) for name in names.split(", "))} TO "{guest}"'
        for privilege, names in (("SELECT", table), ("TRIGGER", places.get(table, table)))
    ]


def quoted(name: str) -> str:
    return ".".join(f'"{part}"' for part in name.split("."))


def test_grants_on_a_table_do_not_hide_what_its_partitions_lack(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp
) -> None:
    bare.execute(f'GRANT CREATE ON DATABASE "{bare.info.dbname}" TO "{guest}"'.encode())
    alice.execute(f'GRANT USAGE ON SCHEMA market TO "{guest}"'.encode())
    alice.execute(f'GRANT SELECT, TRIGGER ON market.parts TO "{guest}"'.encode())
    done = rtp("validate", watches={"parts": PARTS})
    assert (done.code, done.out.splitlines()) == (
        2,
        [
            f"-- as alice_{bare.info.dbname}, or as a superuser:",
            f'GRANT TRIGGER ON "market"."parts_base", "market"."parts_eth" TO "{guest}";',
        ],
    )
    assert rtp("install-triggers", "--dry-run", watches={"parts": PARTS}).code == 2


def test_grants_are_printed_for_a_role_that_is_not_there_yet(
    bare: psycopg.Connection, alice: psycopg.Connection, rtp: Rtp
) -> None:
    done = rtp("grants", "--role", "some one", watches={"tvl": TVL})
    assert (done.code, done.out.splitlines()) == (
        0,
        [
            '-- There is no such role so far: CREATE ROLE "some one" LOGIN',
            f"-- as alice_{bare.info.dbname}, or as a superuser:",
            'GRANT SELECT, TRIGGER ON "public"."tvl" TO "some one";',
            "-- as pg_database_owner, or as a superuser:",
            'GRANT USAGE ON SCHEMA "public" TO "some one";',
            "-- as rtp_owner, or as a superuser:",
            f'GRANT CREATE ON DATABASE "{bare.info.dbname}" TO "some one";',
        ],
    )


def test_what_is_granted_is_a_comment_in_the_block(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp
) -> None:
    grant_as_the_readme_says(bare, guest)
    assert all(line.startswith("-- ") for line in rtp("grants").out.splitlines())
    assert all(grant["is_granted"] for grant in rtp("grants", "--json").document["grants"])


# A schema of somebody else's


def test_an_empty_schema_that_somebody_has_made_for_rtp_is_used_and_left_to_him(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp
) -> None:
    bare.execute("CREATE SCHEMA rtp")
    bare.execute(f'GRANT SELECT, TRIGGER ON tvl TO "{guest}"'.encode())
    watches = {"tvl": TVL}
    nothing = rtp("uninstall-triggers", watches=watches)
    assert (nothing.code, nothing.err) == (0, "There was nothing to do.\n")
    bare.execute(rtp("validate", watches=watches).out.encode())
    before = catalog_of(bare)
    assert rtp("install-triggers", watches=watches).code == 0
    for value in (100, 200):
        write(alice, value)
    assert told(bare) == [(100, 200)]
    done = rtp("uninstall-triggers", "--yes", watches=watches)
    assert (done.code, catalog_of(bare) ^ before) == (0, set())
    assert "DROP SCHEMA rtp" in done.out


def test_whoever_did_not_install_is_told_who_did(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp, database: str
) -> None:
    rtp("install-triggers", dsn=database)
    bare.execute(f'GRANT USAGE, CREATE ON SCHEMA rtp TO "{guest}"'.encode())
    bare.execute(f'GRANT SELECT, TRIGGER ON tvl, prices, protocols TO "{guest}"'.encode())
    bare.execute(f'GRANT SELECT ON rtp.installation TO "{guest}"'.encode())
    found = [rtp(*words).err for words in (("validate",), ("install-triggers",), ("uninstall-triggers",))]
    assert ["rtp_owner" in err and err.count("\n") == 1 for err in found] == [True] * 3


# What rtp could not see


def test_rows_that_are_hidden_from_rtps_role_are_a_finding_that_the_owners_sql_mends(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp
) -> None:
    grant_as_the_readme_says(bare, guest)
    alice.execute("ALTER TABLE tvl ENABLE ROW LEVEL SECURITY")
    done = rtp("validate", watches={"tvl": TVL})
    assert (done.code, rtp("install-triggers", watches={"tvl": TVL}).code) == (2, 2)
    assert f"row level security hides rows of public.tvl from role {guest}" in done.err
    alice.execute(done.err[done.err.index("CREATE POLICY") :].encode())
    assert rtp("install-triggers", watches={"tvl": TVL}).code == 0


def test_a_table_that_inherits_is_a_finding(
    bare: psycopg.Connection, alice: psycopg.Connection, guest: str, rtp: Rtp
) -> None:
    grant_as_the_readme_says(bare, guest)
    alice.execute("CREATE TABLE public.more () INHERITS (tvl)")
    done = rtp("validate", watches={"tvl": TVL})
    assert (done.code, "what is written to public.more" in done.err) == (2, True)


# What works, and is not wise


def test_a_role_that_is_stronger_than_a_tables_owner_is_warned_of(
    alice: psycopg.Connection, rtp: Rtp, database: str
) -> None:
    done = rtp("validate", watches={"tvl": TVL}, dsn=database)
    (line,) = done.err.splitlines()
    assert (done.code, "role rtp_owner may do what" in line, "SUPERUSER" in line) == (0, True, True)


def test_a_role_that_is_called_as_the_schema_is_warned_of(bare: psycopg.Connection) -> None:
    with bare.transaction(force_rollback=True):
        bare.execute("CREATE ROLE rtp; SET LOCAL ROLE rtp")
        (line,) = find_risks(bare, settings_of(tvl=TVL))
    assert "search_path begins with the schema rtp" in line
