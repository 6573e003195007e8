"""`rtp notify ack`: say that somebody looks after it."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import AsJson, Config, RedisUrl, Stack, settings_from
from cli.output import out, print_json
from cli.running_demo import use_demo_if_unnamed
from core.errors import SettingsError
from core.problem import counted
from rtp_client.event import format_time
from rtp_client.redact import redact, shown

if TYPE_CHECKING:
    from core.notify.acknowledgement.acknowledgements import Offer

_Ids = Annotated[
    list[str], typer.Argument(metavar="ID...", help="As the message says it, or an event's own id.", show_default=False)
]


def ack_command(
    ids: _Ids,
    config: Config = None,
    redis_url: RedisUrl = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Acknowledge what a message tells of: nobody else is told of it for want of that.

    The messages of an audience with `unless_acknowledged` say their id. Exit code 2 where nothing is known of one.

    Example: [bold]rtp notify ack k3vq7a2fzm[/]
    """
    from core.notify.acknowledgement.acknowledgements import Acknowledgements  # noqa: PLC0415 - slow to import, and `--help` needs none of it
    from rtp_client.redis import redis_client  # noqa: PLC0415 - as above

    settings = use_demo_if_unnamed(settings_from(config, stack=stack, redis__url=redis_url), "Redis")
    url, now = settings.redis.url or "", time.time()
    with closing(redis_client(url, timeout_seconds=settings.redis.timeout_seconds)) as client:
        acknowledgements = Acknowledgements(client, redact(url))
        found = [(offer_id, acknowledgements.find(offer_id)) for offer_id in dict.fromkeys(ids)]
        if unknown := [offer_id for offer_id, offer in found if offer is None]:
            raise SettingsError(
                f"nothing to acknowledge is known as {shown(unknown[0])}",
                "Take the id from a message of the last week, or an event's own",
            )
        offers = [offer for _, offer in found if offer is not None]
        documents = []
        for offer in offers:
            acknowledgements.acknowledge(offer, now)
            documents.append(_document(offer, acknowledgements.acknowledged_at(offer) or now))
    if as_json:
        print_json(documents)
        return
    for offer, document in zip(offers, documents, strict=True):
        told = counted(document["events"], "alert") + (f": {offer.title}" if offer.title else "")
        out.print(f"Acknowledged {offer.id} at {document['acknowledged_at']}, {told}", markup=False)


def _document(offer: Offer, at: float) -> dict[str, Any]:
    moment = format_time(datetime.fromtimestamp(at, UTC))
    return {"id": offer.id, "events": len(offer.events), "title": offer.title, "acknowledged_at": moment}
