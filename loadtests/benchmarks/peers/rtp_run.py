"""rtp as users run it: `rtp run` writes cache, pub/sub and stream; a subscriber of pub/sub notes what arrives."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from loadtests.benchmarks.peers import watch
from loadtests.benchmarks.peers.consumers import running
from loadtests.benchmarks.peers.peer import Command, Place, PythonPeer
from loadtests.shared.rtp_run import command, environ_without_addresses, write_config
from rtp_client.keys import channel_pattern
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadtests.benchmarks.peers.receipts import Receipts

_WAIT_SECONDS = 1.0


class RtpRunPeer(PythonPeer):
    """The process that is killed is `rtp run`. The subscriber lives on; its CPU time is a reader's, not rtp's."""

    name = "rtp run"

    def install(self, place: Place) -> None:
        watch.install(place)

    @contextmanager
    def beside(self, place: Place) -> Iterator[Sequence[int]]:
        with running(super().consumer(replace(place, dsn=place.redis_url))):
            yield ()

    def consumer(self, place: Place) -> Command:
        file = place.folder / "rtp.yaml"
        write_config(watch.settings_of(), file)
        addresses = {"RTP_POSTGRES_DSN": place.dsn, "RTP_REDIS_URL": place.redis_url}
        return Command(command(file), environ_without_addresses() | addresses)

    def consume(self, dsn: str, receipts: Receipts) -> None:
        """The subscriber; `dsn` is Redis's address."""
        with redis_client(dsn) as client, client.pubsub(ignore_subscribe_messages=True) as subscription:
            subscription.psubscribe(channel_pattern("tvl"))
            while True:
                message = subscription.get_message(timeout=_WAIT_SECONDS)
                if message:
                    data = json.loads(message["data"])["data"]
                    receipts.note(data["entity"], data["provenance"], data["changed_at"])
                    receipts.flush()


PEER = RtpRunPeer()
