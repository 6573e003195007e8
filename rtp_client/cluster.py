"""rtp in a Redis Cluster: all of its keys share one slot, and each connection goes to the node that serves it.

The script that delivers a batch touches the keys of many entities and the stream, in one atomic step. A cluster allows
that within one slot only. So there `rtp:cache:…` goes by the name `{rtp}:cache:…`, whose slot is that of `rtp` alone;
channels keep their names, as every node passes messages on. Both are done here, where commands leave the process, and
nowhere else. An address says that it names a cluster by `?cluster=true`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import redis
from redis.connection import Connection, HiredisRespSerializer, SSLConnection
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

from rtp_client.keys import STREAM

if TYPE_CHECKING:
    from collections.abc import Sequence

Node = tuple[str, int]

ELSEWHERE = (AskError, ClusterDownError, TryAgainError)  # a MovedError is an AskError
MOST_REDIRECTIONS = 5
_CHANNELS = ("rtp:events:", "rtp:route:")
_KNOWN: dict[Node, list[Node]] = {}


def names_cluster(url: str) -> bool:
    """Whether a Redis address is that of a Redis Cluster."""
    return "cluster" in parse_qs(urlsplit(url).query)


def cluster_options(url: str) -> dict[str, Any]:
    """What `redis.Redis.from_url` takes besides, so that it talks to a cluster; nothing for a single server."""
    if not names_cluster(url):
        return {}
    return {"connection_class": _SslClusterConnection if url.startswith("rediss:") else _ClusterConnection}


def in_slot(name: Any) -> Any:
    """An argument of a command, as it goes to a cluster: a key of rtp's under the name that has rtp's slot."""
    if isinstance(name, bytes):
        return in_slot(name.decode()) if name.startswith(b"rtp:") else name
    if isinstance(name, str) and name.startswith("rtp:") and not name.startswith(_CHANNELS):
        return f"{{rtp}}{name[3:]}"
    return name


def known_nodes(named: Node) -> list[Node]:
    """The nodes of a cluster that may be asked: the one that its address names, and those that it has told of."""
    return _KNOWN.setdefault(named, [named])


def told_nodes(slots: Sequence[Any], asked: Node) -> set[Node]:
    """The nodes in an answer to CLUSTER SLOTS. One without a host is where the answer came from."""
    nodes = [node for _, _, *serving in slots for node in serving]
    named = [(host.decode() if isinstance(host, bytes) else host, int(port)) for host, port, *_ in nodes]
    return {(host or asked[0], port) for host, port in named}


class _Packer:
    def __init__(self) -> None:
        self._packer = HiredisRespSerializer()

    def pack(self, *args: Any) -> Any:
        return self._packer.pack(*map(in_slot, args))


class _Following(Connection):
    """A connection that asks where rtp's slot is, and goes there; after a loss it asks the next node that it knows."""

    def __init__(self, *, cluster: str = "", **options: Any) -> None:
        options |= {"command_packer": _Packer(), "redis_connect_func": type(self).follow}
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._named = (self.host, self.port)
        self._turn = self._redirections = 0

    def follow(self) -> None:
        """Go where rtp's keys are."""
        self.on_connect()  # type: ignore[no-untyped-call]
        self.send_command("EXISTS", STREAM)  # type: ignore[no-untyped-call]
        try:
            super().read_response()
        except MovedError as moved:
            self._move(moved)
        else:
            self._learn()

    def disconnect(self, *args: Any, **options: Any) -> None:
        """Let go; the next connection is to the next node."""
        super().disconnect(*args, **options)  # type: ignore[no-untyped-call]
        self._turn += 1
        nodes = known_nodes(self._named)
        self.host, self.port = nodes[self._turn % len(nodes)]

    def read_response(self, *args: Any, **options: Any) -> Any:
        """The answer. Raises redis.ConnectionError where rtp's slot has left this node."""
        try:
            return super().read_response(*args, **options)
        except ELSEWHERE as error:
            self.disconnect()
            raise redis.ConnectionError(f"the cluster does not serve rtp's keys here and now: {error}") from error

    def _move(self, moved: MovedError) -> None:
        if self._redirections == MOST_REDIRECTIONS:
            raise redis.ConnectionError(f"the cluster's nodes disagree on who serves rtp's keys: {moved}")
        self._redirections += 1
        asked = self.host
        try:
            self.disconnect()
            self.host, self.port = moved.host or asked, moved.port
            self.connect()  # type: ignore[no-untyped-call]
        finally:
            self._redirections -= 1

    def _learn(self) -> None:
        self.send_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
        try:
            told = told_nodes(super().read_response(), (self.host, self.port))
        except redis.ResponseError:  # not everybody may ask
            return
        known_nodes(self._named)[1:] = told - {self._named}


class _ClusterConnection(_Following):
    pass


class _SslClusterConnection(_Following, SSLConnection):
    pass
