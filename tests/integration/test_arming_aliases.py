"""A running rtp tells within seconds of a table of aliases that has changed; writers and events go on as installed."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from core.arming.alias_alarm import AliasAlarm
from core.arming.look import read_arming
from core.demo.tables import create_tables
from core.services.postgres import connect
from core.trouble import Troubles
from tests.monitored import eventually
from tests.tvl_table import write
from tests.watching import TVL, install, settings_of
from triggers.rearming import rearm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.models import Settings
    from tests.monitored import Start

ALIASED: dict[str, Any] = TVL | {"aliases": {"table": "renames", "from": "old", "to": "new"}}
CREATE = "CREATE TABLE public.renames (old text, new text); INSERT INTO renames VALUES ('uni', 'uniswap')"
AS_INSTALLED = "Rows go on to mean what they meant at the last installation, while readers of the cache"
AS_IT_IS = f"{AS_INSTALLED} look into the table as it is"
WITHOUT = f"{AS_INSTALLED} get an error for what is not cached"
INSTALL = "Run `rtp install-triggers`"
MEND = "Aliases are read from it: mend the table, or the settings"
SHOWN = "SELECT FROM rtp.process WHERE jsonb_path_exists(figures, %s::jsonpath)"
GUEST = "CREATE ROLE rtp_guest; GRANT USAGE ON SCHEMA rtp TO rtp_guest; GRANT SELECT ON rtp.watch TO rtp_guest"


@pytest.fixture(scope="module")
def owner(module_database: str) -> Iterator[psycopg.Connection]:
    """The superuser's connection to a database with a watch whose aliases are in a table; no test commits there."""
    with closing(connect(module_database, role="test")) as connection:
        create_tables(connection)
        connection.execute(CREATE.encode())
        install(connection, tvl=ALIASED)
        write(connection, "100", entity="uni")
        yield connection


class Told:
    """An alarm, and what it has said."""

    def __init__(self, connection: psycopg.Connection, **watch: Any) -> None:
        self.lines: list[str] = []
        self.troubles = Troubles()
        watches = settings_of(tvl=ALIASED | watch).watches
        self._connection = connection
        self._alarm = AliasAlarm(watches, self.troubles, lambda problem: self.lines.append(str(problem)))

    def after(self, statements: str = "") -> list[str]:
        """What a look says after these."""
        self.lines.clear()
        self._connection.execute(statements.encode())
        self._alarm.look(self._connection)
        return self.lines

    def rest(self) -> None:
        """Another leads for a while."""
        self._alarm.rest()
        assert self.troubles.current() == []


TROUBLES = [
    ("DROP TABLE renames", 'renames cannot be read: relation "public.renames" does not exist', MEND),
    (
        "ALTER TABLE renames RENAME TO former",
        'renames cannot be read: relation "public.renames" does not exist',
        MEND,
    ),
    ("ALTER TABLE renames DROP old", "renames cannot be read: column a.old does not exist", MEND),
    ("ALTER TABLE renames RENAME new TO today", "renames cannot be read: column a.new does not exist", MEND),
    (
        "DROP TABLE renames; CREATE VIEW public.renames AS SELECT 'uni' AS old, 'uniswap' AS new",
        "renames, which aliases are read from, is a view",
        "Name a table",
    ),
    (
        f"{GUEST}; SET LOCAL ROLE rtp_guest",
        "renames cannot be read: permission denied for table renames",
        "Aliases are read from it: let rtp's role read all of it",
    ),
    (
        f"{GUEST}; GRANT SELECT ON renames TO rtp_guest; ALTER TABLE renames ENABLE ROW LEVEL SECURITY;"
        "SET LOCAL ROLE rtp_guest",
        'renames cannot be read: query would be affected by row-level security policy for table "renames"',
        "Aliases are read from it: let rtp's role read all of it",
    ),
    (
        "DROP TABLE renames; CREATE TABLE public.renames (old text, new text)",
        "renames holds others than are installed: uni -> uniswap is gone",
        INSTALL,
    ),
    (
        "UPDATE renames SET new = 'sushi'; INSERT INTO renames VALUES ('a', 'z'), ('b', 'z')",
        "renames holds others than are installed: a -> z is new, b -> z is new, uni -> sushi is new, and 1 more",
        INSTALL,
    ),
    (
        "INSERT INTO renames VALUES ('uniswap', 'uni')",
        "renames: uni leads to uniswap, which leads back to it",
        "Leave one of them out",
    ),
]


@pytest.mark.parametrize(("trouble", "cause", "remedy"), TROUBLES)
def test_what_has_become_of_a_table_of_aliases_is_named(
    owner: psycopg.Connection, trouble: str, cause: str, remedy: str
) -> None:
    told = Told(owner)
    with owner.transaction(force_rollback=True):
        meanwhile = WITHOUT if "cannot be read" in cause else AS_IT_IS
        assert told.after(trouble) == [f"watch tvl: {cause}. {meanwhile}. {remedy}"]
        (met,) = told.troubles.current()
        assert (met.part, met.service, met.cause) == ("aliases of tvl", "PostgreSQL", f"{cause}. {remedy}")


@pytest.mark.parametrize("trouble", [trouble for trouble, _, _ in TROUBLES if "rtp_guest" not in trouble])
def test_writers_and_events_go_on_with_the_aliases_that_are_installed(owner: psycopg.Connection, trouble: str) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute(trouble.encode())
        write(owner, "200", entity="uni")
        told = owner.execute("SELECT entity, previous::int, current::int FROM rtp.event").fetchall()
        assert told == [("uniswap", 100, 200)]
        assert [watch.cause for watch in read_arming(owner)] == [""]


@pytest.mark.parametrize(
    "harmless",
    [
        "",
        f"DROP TABLE renames; {CREATE}",
        "ALTER TABLE renames ADD note text, ALTER old TYPE varchar(40)",
        "INSERT INTO renames VALUES ('uni', 'uniswap')",
        "CREATE POLICY own ON renames USING (false)",
    ],
)
def test_a_table_that_holds_what_is_installed_is_nothing_to_speak_of(owner: psycopg.Connection, harmless: str) -> None:
    told = Told(owner)
    with owner.transaction(force_rollback=True):
        assert (told.after(harmless), told.troubles.current()) == ([], [])


def test_it_is_said_once_another_cause_again_and_its_end(owner: psycopg.Connection) -> None:
    told = Told(owner)
    with owner.transaction(force_rollback=True):
        assert len(told.after("ALTER TABLE renames RENAME TO former")) == 1
        assert told.after() == []
        (line,) = told.after("ALTER TABLE former RENAME TO renames; DELETE FROM renames")
        assert "uni -> uniswap is gone" in line
        install(owner, tvl=ALIASED)
        assert told.after() == ["watch tvl: its aliases are those of its table again"]
        assert told.troubles.current() == []


def test_whoever_looks_again_after_a_rest_is_told_anew_and_of_no_end_that_nobody_saw(owner: psycopg.Connection) -> None:
    told = Told(owner)
    with owner.transaction(force_rollback=True):
        before = list(told.after("ALTER TABLE renames RENAME TO former"))
        told.rest()
        assert told.after() == before
        told.rest()
        assert told.after("ALTER TABLE former RENAME TO renames") == []


def test_an_override_of_what_has_become_an_alias_is_named_as_an_installation_would(owner: psycopg.Connection) -> None:
    told = Told(owner, overrides=[{"protocol": "lido", "percent": 2}])
    with owner.transaction(force_rollback=True):
        (line,) = told.after("INSERT INTO renames VALUES ('lido', 'lido-v2')")
    assert line == f"watch tvl: overrides[0] names the alias lido. {AS_IT_IS}. Name lido-v2"


def test_a_watch_that_is_not_installed_has_no_aliases_to_speak_of(owner: psycopg.Connection) -> None:
    told = Told(owner)
    with owner.transaction(force_rollback=True):
        told.after("DROP TABLE renames")
        assert told.after("UPDATE rtp.watch SET removed_at = now()") == []
        assert told.troubles.current() == []


def test_whoever_rebuilds_the_table_holds_no_look_up(owner: psycopg.Connection, module_database: str) -> None:
    told = Told(owner)
    with closing(connect(module_database, role="etl")) as etl, etl.transaction(force_rollback=True):
        etl.execute("DROP TABLE renames")
        owner.execute("SET statement_timeout TO '5s'")
        assert (told.after(), told.troubles.current()) == ([], [])
        owner.execute("RESET statement_timeout")


def test_a_replaced_table_is_watched_again_with_the_aliases_that_are_installed(owner: psycopg.Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("DROP TABLE renames; ALTER TABLE tvl RENAME TO former")
        owner.execute("CREATE TABLE public.tvl (LIKE former INCLUDING ALL)")
        rearm(settings_of(tvl=ALIASED), owner, "tvl")
        owner.execute("DELETE FROM rtp.event")
        write(owner, "100", "300", entity="uni")
        told = owner.execute("SELECT entity, current::int FROM rtp.event ORDER BY id").fetchall()
    assert told[-1] == ("uniswap", 300)


def test_a_running_rtp_says_so_and_mends_nothing_by_itself(
    start: Start, settings: Settings, writer: psycopg.Connection
) -> None:
    writer.execute(CREATE.encode())
    install(writer, tvl=ALIASED)
    running = start(settings.model_copy(update={"watches": settings_of(tvl=ALIASED).watches}))
    eventually(lambda: running.metric("rtp_watch_armed", watch="tvl"))
    labels = {"part": "aliases of tvl", "service": "PostgreSQL"}
    assert not running.metric("rtp_trouble_seconds", **labels)
    writer.execute("INSERT INTO renames VALUES ('lid', 'lido')")
    assert running.told("lid -> lido is new").endswith(INSTALL)
    eventually(lambda: running.metric("rtp_trouble_seconds", **labels))
    assert (running.metric("rtp_watch_armed", watch="tvl"), running.ready()[0]) == (1, 200)
    eventually(lambda: writer.execute(SHOWN, ['$.troubles[*] ? (@.part == "aliases of tvl")']).rowcount)
    install(writer, tvl=ALIASED)
    running.told("its aliases are those of its table again")
    eventually(lambda: not running.metric("rtp_trouble_seconds", **labels))
