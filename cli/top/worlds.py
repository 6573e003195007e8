"""The worlds that there are: one Redis and, where it is known, the source of changes; or a gateway, which has both."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from cli.top.database import DatabaseLooks, explain_in_database
from cli.top.gateway import AskedGateway
from cli.top.pegs import pegs_of
from cli.top.streams import explain_in_streams, looks_at_streams
from cli.top.threads import Follower, Looker
from cli.top.world import BoardInbox, BoardWorld
from rtp_client.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.models import Settings


@contextmanager
def world_of(settings: Settings) -> Iterator[BoardWorld]:
    """Straight from Redis; within the block, threads fill the inbox."""
    inbox, url = BoardInbox(), settings.redis.url or ""
    peg_of = pegs_of(settings.watches.values())
    parts: dict[str, Any] = {"title": redact(url), "kinds": settings.all_kinds, "peg_of": peg_of}
    with ExitStack() as exits:
        exits.enter_context(Follower(url, inbox))
        if settings.postgres.dsn:
            parts["details"] = partial(explain_in_database, settings)
            exits.enter_context(Looker(DatabaseLooks(settings, peg_of, inbox), inbox))
        elif settings.dynamodb.tables:
            parts["details"] = partial(explain_in_streams, settings)
            exits.enter_context(Looker(partial(looks_at_streams, settings), inbox))
        yield BoardWorld(inbox=inbox, **parts)


@contextmanager
def world_of_gateway(url: str, token: str | None, settings: Settings) -> Iterator[BoardWorld]:
    """The same through a gateway."""
    inbox = BoardInbox()
    with Follower(url, inbox, token):  # raises SettingsError where the address is none
        gateway = AskedGateway(url, token)
        with Looker(gateway.looks, inbox):
            yield BoardWorld(
                inbox=inbox,
                title=redact(url),
                kinds=settings.all_kinds,
                peg_of=gateway.peg_of,
                details=gateway.details,
            )
