"""rtp in a Redis Cluster: all of its keys share one slot, and each connection goes to the node that serves it.

The script that delivers a batch touches the keys of many entities and the stream, in one atomic step. A cluster allows
that within one slot only. So there `rtp:cache:…` goes by the name `{rtp}:cache:…`, whose slot is that of `rtp` alone;
channels keep their names, as every node passes messages on. Both are done here, where commands leave the process, and
nowhere else. An address says that it names a cluster by `?cluster=true`.

A connection asks where rtp's slot is, and goes there. redis-py's own RedisCluster does not do: it refuses scripts in a
pipeline, connects as soon as it is made, and raises what is no RedisError where no node answers.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import redis
from redis.asyncio import connection as for_asyncio
from redis.connection import Connection, SSLConnection
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

from rtp_client.keys import STREAM
from rtp_client.packer import Packer
from rtp_client.redis_login import log_in, log_in_async

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Node = tuple[str, int]

_ELSEWHERE = (AskError, ClusterDownError, TryAgainError)  # a MovedError is an AskError
_MOST_REDIRECTIONS = 5
_CHANNELS = ("rtp:events:", "rtp:route:")
_KNOWN: dict[Node, list[Node]] = {}
"""The nodes of each cluster that may be asked, by the node that its address names: that one, and those it told of."""


def names_cluster(url: str) -> bool:
    """Whether a Redis address is that of a Redis Cluster."""
    return "cluster" in parse_qs(url.partition("?")[2])


def cluster_options(url: str) -> dict[str, Any]:
    """What `redis.Redis.from_url` takes besides, so that it talks to a cluster; nothing for a single server."""
    if not names_cluster(url):
        return {}
    return {"connection_class": _Tls if url.startswith("rediss:") else _Following}


def async_cluster_options(url: str) -> dict[str, Any]:
    """The same for redis.asyncio."""
    if not names_cluster(url):
        return {}
    return {"connection_class": _AsyncTls if url.startswith("rediss:") else _AsyncFollowing}


def in_slot(name: Any) -> Any:
    """An argument of a command, as it goes to a cluster: a key of rtp's under the name that has rtp's slot."""
    if isinstance(name, bytes):
        return in_slot(name.decode()) if name.startswith(b"rtp:") else name
    if isinstance(name, str) and name.startswith("rtp:") and not name.startswith(_CHANNELS):
        return f"{{rtp}}{name[3:]}"
    return name


def told_nodes(slots: Sequence[Any], asked: Node) -> set[Node]:
    """The nodes in an answer to CLUSTER SLOTS. One without a host is where the answer came from."""
    nodes = [node for _, _, *serving in slots for node in serving]
    named = [(host.decode() if isinstance(host, bytes) else host, int(port)) for host, port, *_ in nodes]
    return {(host or asked[0], port) for host, port in named}


class _Packer(Packer):
    def pack(self, name: str | bytes, *arguments: Any) -> list[bytes]:
        return super().pack(name, *map(in_slot, arguments))


class _WayToSlot:
    """Where a connection looks for rtp's slot: where it is sent to, and after a loss at the next node that it knows."""

    def __init__(self, named: Node) -> None:
        self._named = named
        self._nodes = _KNOWN.setdefault(named, [named])
        self._turn = self._redirections = 0

    def after_loss(self) -> Node:
        self._turn += 1
        return self._nodes[self._turn % len(self._nodes)]

    def learn(self, slots: Sequence[Any], asked: Node) -> None:
        self._nodes[1:] = told_nodes(slots, asked) - {self._named}

    @contextmanager
    def redirected(self, moved: MovedError) -> Iterator[None]:
        if self._redirections == _MOST_REDIRECTIONS:
            raise redis.ConnectionError(f"the cluster's nodes disagree on who serves rtp's keys: {moved}")
        self._redirections += 1
        try:
            yield
        finally:
            self._redirections -= 1


def _not_here(error: Exception) -> redis.ConnectionError:
    return redis.ConnectionError(f"the cluster does not serve rtp's keys here and now: {error}")


class _Following(Connection):
    def __init__(self, *, cluster: str = "", **options: Any) -> None:
        options |= {"command_packer": _Packer(), "redis_connect_func": type(self).follow}
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._route = _WayToSlot((self.host, self.port))

    def follow(self) -> None:
        """Go where rtp's keys are."""
        log_in(self)
        self.send_command("EXISTS", STREAM)  # type: ignore[no-untyped-call]
        try:
            super().read_response()
        except MovedError as moved:
            with self._route.redirected(moved):
                host = moved.host or self.host
                self.disconnect()
                self.host, self.port = host, moved.port
                self.connect()  # type: ignore[no-untyped-call]
            return
        self.send_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
        with suppress(redis.ResponseError):  # not everybody may ask
            self._route.learn(super().read_response(), (self.host, self.port))

    def disconnect(self, *args: Any, **options: Any) -> None:
        """Let go; the next connection is to the next node."""
        super().disconnect(*args, **options)  # type: ignore[no-untyped-call]
        self.host, self.port = self._route.after_loss()

    def read_response(self, *args: Any, **options: Any) -> Any:
        """The answer. Raises redis.ConnectionError where rtp's slot has left this node."""
        try:
            return super().read_response(*args, **options)
        except _ELSEWHERE as error:
            self.disconnect()
            raise _not_here(error) from error


class _Tls(_Following, SSLConnection):
    pass


class _AsyncFollowing(for_asyncio.Connection):
    def __init__(self, *, cluster: str = "", **options: Any) -> None:
        super().__init__(**options | {"redis_connect_func": type(self).follow})
        self._route = _WayToSlot((self.host, self.port))

    def pack_command(self, *args: Any) -> list[bytes]:
        return super().pack_command(*map(in_slot, args))

    async def follow(self) -> None:
        await log_in_async(self)
        await self.send_command("EXISTS", STREAM)
        try:
            await super().read_response()
        except MovedError as moved:
            with self._route.redirected(moved):
                host = moved.host or self.host
                await self.disconnect(nowait=True)
                self.host, self.port = host, moved.port
                await self.connect()  # type: ignore[no-untyped-call]
            return
        await self.send_command("CLUSTER", "SLOTS")
        with suppress(redis.ResponseError):
            self._route.learn(await super().read_response(), (self.host, self.port))

    async def disconnect(self, *args: Any, **options: Any) -> None:
        await super().disconnect(*args, **options)
        self.host, self.port = self._route.after_loss()

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except _ELSEWHERE as error:
            await self.disconnect(nowait=True)
            raise _not_here(error) from error


class _AsyncTls(_AsyncFollowing, for_asyncio.SSLConnection):
    pass
