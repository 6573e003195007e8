"""What the `rtp dlq` commands share: which letters are meant, and where they are."""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import connection_to
from cli.dlq.sinks import refuse_unknown_sink, sinks_of_before
from cli.dlq.untold import untold_letters
from cli.kinds import ENTITY, KINDS, kind_name, require_kind
from cli.option_values import choice, duration
from cli.options import settings_from
from cli.output import print_problem
from cli.running_demo import use_demo_if_unnamed
from cli.source import is_notify_alone
from core.errors import SettingsError
from core.letters.letter import LetterOrigin, Selection
from core.letters.store import DeadLetterStore, open_store
from core.letters.table import only_one
from rtp_client.redact import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from core.notify.outbox.letters import UntoldLetters
    from core.settings.models import Settings


_MESSAGE_ID = re.compile(r"[0-9a-fA-F-]{32,40}")


Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Letters, by the ids in the list.")]
Sink = Annotated[str | None, typer.Option("--sink", help="Only this sink's, as `rtp status` names it.")]
KindOption = Annotated[
    str | None, typer.Option("--kind", parser=kind_name, metavar=KINDS, help="Only this kind of event.")
]
Chain = Annotated[str | None, typer.Option("--chain", help="Only this chain; a name or a glob, in any case.")]
Entity = Annotated[
    str | None, typer.Option(*ENTITY, help="Only this protocol, token or other entity; a name or a glob.")
]
Since = Annotated[
    float | None,
    typer.Option(
        "--since",
        parser=duration("--since"),
        metavar="DURATION",
        help="Only those last tried within this: 30m, 24h.",
    ),
]
ErrorText = Annotated[str | None, typer.Option("--error", help="Only those whose error holds this text, in any case.")]
OriginOption = Annotated[
    LetterOrigin | None,
    typer.Option(
        "--origin",
        parser=choice("--origin", LetterOrigin),
        metavar="|".join(LetterOrigin),
        help="Only rtp's own (database; of a stream source redis), SQS's (queue), or what could not be told (notify).",
    ),
]
All = Annotated[bool, typer.Option("--all", help="All letters.")]


def selection_of(
    ids: Sequence[str] | None,
    sink: str | None,
    kind: str | None,
    chain: str | None,
    entity: str | None,
    since_seconds: float | None,
    error: str | None,
    origin: LetterOrigin | None,
) -> Selection:
    """The options as one thing. Raises SettingsError for an id that can be none."""
    for one in ids or ():
        if not re.fullmatch(r"[0-9]{1,18}", one) and not _MESSAGE_ID.fullmatch(one):
            raise SettingsError(f"{shown(one)!r} is no letter's id", "Look at `rtp dlq list`")
    since = None if since_seconds is None else datetime.now(UTC) - timedelta(seconds=since_seconds)
    return Selection(frozenset(ids or ()), sink, origin, kind, chain, entity, since, error)


def refuse_empty(selection: Selection, *, everything: bool, verb: str) -> None:
    """A command that changes things is told which. Raises SettingsError."""
    if everything and (selection.ids or selection.has_filters):
        raise SettingsError("option --all does not fit here: ids or filters are given, too", "Leave one of them out")
    if not everything and not selection.ids and not selection.has_filters:
        raise SettingsError(f"rtp dlq {verb} needs to know which letters", "Give ids, filters such as --sink, or --all")


def settings_for(kind: str | None, config: Path | None, *, stack: str | None, **options: str | None) -> Settings:
    """The settings. Raises SettingsError for a kind that they do not have."""
    settings = settings_from(config, stack=stack, **options)
    require_kind(kind, settings)
    return settings


@dataclass(frozen=True)
class OpenLetters:
    """The store of the settings' own letters, and those of rtp notify; None where they are not asked for, or are none.

    `problems` says, a line each, what could not be read.
    """

    store: DeadLetterStore | None
    untold: UntoldLetters | None
    problems: Sequence[str]


@contextmanager
def open_letters(
    settings: Settings,
    *,
    origin: LetterOrigin | None = None,
    sink: str | None = None,
    with_sinks: bool = False,
    is_only_one: bool = False,
) -> Iterator[OpenLetters]:
    """What is asked for. What cannot be reached is told, and left out.

    With `is_only_one`, nobody else redrives or drops meanwhile. Raises UnknownSink where no `sink` is called so.
    """
    with ExitStack() as held:
        store = None
        if settings.notify and origin is LetterOrigin.NOTIFY:
            settings = use_demo_if_unnamed(settings, "Redis")
        elif origin is not None or not is_notify_alone(settings):
            settings = use_demo_if_unnamed(settings, "PostgreSQL")
            store = _open_store(held, settings, origin, with_sinks=with_sinks, is_only_one=is_only_one)
        else:
            print_problem("There is no PostgreSQL address: this is only what rtp notify could not tell", style="dim")
        problems = store.problems if store else []
        untold = held.enter_context(untold_letters(settings, origin, problems))
        for problem in problems:
            print_problem(problem)
        if not problems:
            refuse_unknown_sink(sink, settings, sinks_of_before(store, untold))
        yield OpenLetters(store, untold, problems)


def _open_store(
    held: ExitStack, settings: Settings, origin: LetterOrigin | None, *, with_sinks: bool, is_only_one: bool
) -> DeadLetterStore:
    connection = held.enter_context(connection_to(settings))
    if is_only_one:
        held.enter_context(only_one(held.enter_context(connection_to(settings))))
    store = open_store(connection, settings, with_sinks=with_sinks, with_queues=origin in (None, LetterOrigin.QUEUE))
    held.callback(store.close)
    return store
