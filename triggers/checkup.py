"""Would these settings work? Everything that can be found out beforehand, without changing anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.arming.look import read_arming
from core.errors import NotInstalled, RtpError, UnfitServer
from core.inspection.entities import read_entities
from core.inspection.unseen import find_unseen, names_entities
from core.log.installation import read_installation
from core.routes.checking import find_useless
from core.routes.listening import find_unheard
from core.services.certificates import find_unverified
from core.services.postgres import own_transaction
from core.services.sessions import DEAF, find_unfitness, hears
from core.settings.models import postgres_dsn
from core.sinks.registry import build_sinks, find_weaknesses
from rtp_client.postgres import address
from triggers.installer import find_drift
from triggers.notes import find_notes
from triggers.rights import lacking_grants
from triggers.risks import find_risks
from triggers.validator import read_watched, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from psycopg import Connection

    from core.settings.models import Settings
    from triggers.rights import Grant
    from triggers.steps import Action
    from triggers.validator import WatchedTables

    Connect = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True)
class Checkup:
    """What was found. `drift` is None where nobody compared with what is installed; `notes` are no faults.

    `unarmed` has a line for each installed watch that does not see all writes, `grants` are those that the role lacks.
    """

    problems: Sequence[str]
    warnings: Sequence[str] = ()
    drift: Sequence[Action] | None = None
    notes: Sequence[str] = ()
    unarmed: Sequence[str] = ()
    grants: Sequence[Grant] = ()


@dataclass(frozen=True)
class _SeenDatabase:
    problems: Sequence[str]
    grants: Sequence[Grant] = ()
    tables: WatchedTables = field(default_factory=dict)


def check_up(settings: Settings, connect: Connect, *, compares_installed: bool) -> Checkup:
    """Look at the database, the sinks and the routes; warnings and drift only where there is no problem."""
    database = _look_at_database(settings, connect)
    problems = [*database.problems, *_sink_problems(settings)]
    if problems:
        return Checkup(problems, grants=database.grants)
    drift = None
    if compares_installed:
        try:
            drift = _drift(settings, connect, database.tables)
        except RtpError as error:
            return Checkup(str(error).splitlines())
    warnings = [
        *_deafness(connect),
        *find_useless(settings),
        *find_unheard(settings),
        *_unseen(settings, connect),
        *find_unverified(settings),
        *find_weaknesses(settings),
        *_risks(settings, connect),
    ]
    return Checkup((), warnings, drift, list(find_notes(settings, database.tables)), _unarmed(connect))


def _look_at_database(settings: Settings, connect: Connect) -> _SeenDatabase:
    try:
        with connect() as connection, connect() as other:
            if unfitness := find_unfitness(connection, other):
                return _SeenDatabase([str(UnfitServer("PostgreSQL", address(postgres_dsn(settings)), unfitness))])
        with connect() as connection, own_transaction(connection, "READ ONLY"):
            tables = read_watched(connection, settings)
            findings = validate(connection, settings, tables)
            return _SeenDatabase(list(map(str, findings)), lacking_grants(connection, settings), tables)
    except RtpError as error:
        return _SeenDatabase([str(error)])


def _risks(settings: Settings, connect: Connect) -> list[str]:
    try:
        with connect() as connection, own_transaction(connection, "READ ONLY"):
            return list(find_risks(connection, settings))
    except RtpError as error:
        return [str(error)]


def _deafness(connect: Connect) -> Iterator[str]:
    with connect() as connection, connect() as other:
        if not hears(connection, other):
            yield DEAF


def _sink_problems(settings: Settings) -> Iterator[str]:
    try:
        sinks = build_sinks(settings)
    except RtpError as error:
        yield str(error)
        return
    for sink in sinks.values():
        try:
            sink.open()
        except RtpError as error:
            yield str(error)
        finally:
            sink.close()


def _drift(settings: Settings, connect: Connect, tables: WatchedTables) -> Sequence[Action]:
    with connect() as connection, own_transaction(connection, "READ ONLY"):
        return find_drift(connection, settings, tables)


def _unarmed(connect: Connect) -> list[str]:
    """Whatever the settings at hand say: of what another version has installed nothing can be told."""
    try:
        with connect() as connection, own_transaction(connection, "READ ONLY"):
            read_installation(connection)
            return [str(watch) for watch in read_arming(connection) if not watch.is_armed]
    except NotInstalled:
        return []
    except RtpError as error:
        return [str(error)]


def _unseen(settings: Settings, connect: Connect) -> list[str]:
    """What names an entity of which there is no row so far. Nobody can tell before anything is installed."""
    if not names_entities(settings):
        return []
    try:
        with connect() as connection:
            return list(find_unseen(settings, read_entities(connection)))
    except NotInstalled:
        return []
    except RtpError as error:
        return [str(error)]
