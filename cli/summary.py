"""What `rtp run` says of itself when it starts: what it is connected to, and what it watches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from cli.event_line import printable
from cli.logs import LOG
from core.own_version import own_version
from core.settings.models import postgres_dsn
from rtp_client.postgres import address

if TYPE_CHECKING:
    from core.processor.pipeline import Pipeline
    from core.settings.models import Settings


def print_summary(pipeline: Pipeline, settings: Settings, http_url: str | None) -> None:
    """What rtp is connected to, and what it watches."""
    table = Table(box=None, show_header=False, pad_edge=False)
    addresses = [("PostgreSQL", address(postgres_dsn(settings)))]
    addresses += [(delivery.sink.name, delivery.sink.address) for delivery in pipeline.deliveries]
    addresses += [("HTTP", f"{http_url}/metrics, /healthz, /readyz")] if http_url else []
    rows = addresses + [(f"watch {name}", f"{watch.kind} in {watch.table}") for name, watch in settings.watches.items()]
    for what, where in rows:
        table.add_row(what, Text(printable(where)))  # [fe80::1] is an address, not markup
    facts = {
        "addresses": dict(addresses),
        "watches": {n: f"{w.kind} in {w.table}" for n, w in settings.watches.items()},
    }
    LOG.info("rtp %s starts", own_version(), extra={"facts": facts | {"pid": os.getpid()}, "shown": table})
