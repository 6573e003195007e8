"""`rtp explain`: why a protocol or token was reported, or was not, and how far it is from its next event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import connection_to
from cli.explain_tables import print_explanation
from cli.kinds import ENTITY, KINDS, kind_name, require_kind
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, Stack, settings_from
from cli.output import print_json, print_problem
from cli.running_demo import use_demo_if_unnamed
from cli.source import Source, is_streams
from core.errors import InstallError
from core.handler.services import stream_services
from core.inspection.document import as_document
from core.inspection.explainer import explain as find_out
from core.inspection.stream_explainer import explain_streams
from triggers.installer import find_drift

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

    from core.inspection.explanation import Explanation
    from core.settings.models import Settings


_KindOption = Annotated[str, typer.Option("--kind", parser=kind_name, metavar=KINDS, help="What it is a kind of.")]
_Entity = Annotated[str, typer.Option(*ENTITY, help="The protocol, token or other entity, as the table names it.")]
_Chain = Annotated[str | None, typer.Option("--chain", help="Only on this chain. Default: on every chain it is on.")]


def explain(
    kind: _KindOption,
    entity: _Entity,
    chain: _Chain = None,
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    source: Source = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show the rule that applies and where it comes from, the baseline, the value now, and the last events.

    The rule is the one that is installed; where the settings file has another, both are shown. Exit code 2 where rtp
    does not know the protocol or token.
    Of a stream source: the baseline in Redis, the item in the table, the newest events in Redis's stream.

    Example: [bold]rtp explain --kind tvl --protocol lido --chain ethereum[/]
    """
    settings = settings_from(config, stack=stack, postgres__dsn=postgres_dsn, redis__url=redis_url)
    if is_streams(settings, source):
        require_kind(kind, settings)
        with stream_services(settings) as services:
            _show(explain_streams(services, kind, entity, chain), [], as_json=as_json)
        return
    settings = use_demo_if_unnamed(settings, "PostgreSQL")
    require_kind(kind, settings)
    with connection_to(settings) as connection:
        found = find_out(connection, settings, kind, entity, chain)
        drift = _drift(connection, settings, {explanation.watch for explanation in found})
    _show(found, drift, as_json=as_json)


def _show(found: Sequence[Explanation], drift: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        documents = [
            as_document(explanation)
            | {"events": [as_document(event) | {"change_pct": event.change_pct} for event in explanation.events]}
            for explanation in found
        ]
        print_json({"drift": drift, "entities": documents})
        return
    for explanation in found:
        print_explanation(explanation)
    for line in drift:
        print_problem(line)


def _drift(connection: Connection, settings: Settings, watches: set[str]) -> list[str]:
    """Where what is installed of these watches is not what the settings say, a line each."""
    try:
        actions = find_drift(connection, settings)
    except InstallError as error:
        return [f"the settings cannot be compared with what is installed: {line}" for line in str(error).splitlines()]
    subjects = {f"watch {name}" for name in watches} | {"schema rtp"}
    return [
        f"{action.subject} is not installed as the settings say ({action.detail}). Run `rtp install-triggers`"
        for action in actions
        if action.subject in subjects
    ]
