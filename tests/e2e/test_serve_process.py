"""The gateway beside the processor, in a process of its own: from the database's update to a client's frame."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from tests.gateway import live_client
from tests.rtp_process import environ_of, rtp

if TYPE_CHECKING:
    import psycopg

    from core.settings.models import Settings


def test_run_serves_what_it_delivers_and_sends_its_clients_elsewhere_when_it_ends(
    settings: Settings, writer: psycopg.Connection
) -> None:
    writer.execute("INSERT INTO prices (chain, token, price_usd, source) VALUES ('ethereum', 'eth', 1000, 'llama')")
    with rtp("run", "--serve", "--listen", "127.0.0.1:0", environ=environ_of(settings)) as process:
        process.wait_for("The page is at http")
        found = re.search(r"The page is at (http://\S+)", process.err)
        assert found is not None
        with live_client(found[1]) as client:
            client.subscribe(filter={"kind": "price"})
            writer.execute("UPDATE prices SET price_usd = 1100")
            assert client.next("event")["event"]["data"]["current"] == "1100"
            process.send(signal.SIGTERM)
            assert client.next("reconnect")["after_ms"] >= 0
            assert client.closed()[0] == 1012
        assert process.end() == 0
