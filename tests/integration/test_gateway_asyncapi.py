"""The AsyncAPI document beside what really goes over the two channels: every message that there is."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import redis

from core.gateway.server import GatewayServer
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from tests.gateway import LiveClient, live_client, serve_settings, serving
from tests.samples import make_event

Message = dict[str, Any]
UNKNOWN = "1.7.5-0"


class Recorded:
    """What was said over a channel, by its type."""

    def __init__(self, document: Any, channel: str) -> None:
        self._document = document
        self._channel = document["channels"][channel]
        self.types: set[str] = set()

    def note(self, message: Message) -> Message:
        """Hold a message to its description. Returns it."""
        described = self._resolve(self._channel["messages"][message["type"]])
        schema = {**described["payload"], "components": self._document["components"]}
        jsonschema.validate(message, schema, jsonschema.Draft202012Validator)
        self.types.add(message["type"])
        return message

    @property
    def described(self) -> set[str]:
        return {self._resolve(one)["name"] for one in self._channel["messages"].values()}

    def _resolve(self, reference: Any) -> Any:
        found = self._document
        for part in reference["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return found


class Speaker(LiveClient):
    """A client whose every message, sent and received, is held to the document."""

    def __init__(self, client: LiveClient, recorded: Recorded) -> None:
        super().__init__(client.socket)
        self._recorded = recorded

    def ask(self, kind: str, **members: Any) -> None:
        self._recorded.note({"type": kind, **members})
        super().ask(kind, **members)

    def read(self) -> Message:
        return self._recorded.note(super().read())


def document_of(server: GatewayServer) -> Any:
    place = urlsplit(server.url)
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as connection:
        connection.request("GET", "/asyncapi.json")
        return json.loads(connection.getresponse().read())


def sent_events(response: http.client.HTTPResponse) -> Iterator[Message]:
    """The messages of an event stream, until it ends."""
    while line := response.readline().decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name == "data":
            yield json.loads(value)


def test_all_that_goes_over_the_channels_is_as_described(redis_url: str) -> None:
    settings = serve_settings(redis_url)
    with (
        redis.Redis.from_url(redis_url) as store,
        closing(RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.001)) as sink,
        serving(settings) as server,
    ):
        document = document_of(server)
        socket, events = Recorded(document, "socket"), Recorded(document, "events")
        sink.deliver([make_event(1)])
        with live_client(server) as client:
            speaker = Speaker(client, socket)
            speaker.next("welcome")
            has_begun = threading.Event()
            followed = threading.Thread(target=_follow_events, args=[server, events, has_begun])
            speaker.ask("subscribe", id="a", filter={"kind": "tvl", "entity": ["lid*"], "min_pct": "1"}, resume=UNKNOWN)
            assert speaker.next("reset")["reason"] == "another_log"
            assert speaker.next("snapshot")["entries"][0]["entity"] == "lido"
            followed.start()
            assert has_begun.wait(30)
            sink.deliver([make_event(2)])
            assert speaker.next("event")["n"] == 1
            speaker.ask("ping")
            speaker.next("pong")
            speaker.ask("unsubscribe", id="a")
            speaker.next("unsubscribed")
            speaker.ask("unsubscribe", id="a")
            speaker.next("error")
            store.client_kill_filter(_type="normal", skipme=True)
            assert [speaker.next("upstream")["state"] for _ in range(2)] == ["lost", "back"]
            server.stop()
            speaker.next("reconnect")
        followed.join()
    assert socket.types == socket.described
    assert events.types == events.described - {"error"}  # a wrong address is answered by HTTP's own status


def _follow_events(server: GatewayServer, recorded: Recorded, has_begun: threading.Event) -> None:
    place = urlsplit(server.url)
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as connection:
        connection.request("GET", "/v1/sse?kind=tvl&severity=info", headers={"Last-Event-ID": UNKNOWN})
        for message in sent_events(connection.getresponse()):
            recorded.note(message)
            if message["type"] == "snapshot":
                has_begun.set()
