"""The connections of cluster.py for asyncio."""

from __future__ import annotations

from typing import Any

import redis
from redis.asyncio.connection import Connection, SSLConnection
from redis.exceptions import MovedError

from rtp_client.cluster import ELSEWHERE, MOST_REDIRECTIONS, in_slot, known_nodes, names_cluster, told_nodes
from rtp_client.keys import STREAM


def async_cluster_options(url: str) -> dict[str, Any]:
    """See cluster_options."""
    if not names_cluster(url):
        return {}
    return {"connection_class": _SslClusterConnection if url.startswith("rediss:") else _ClusterConnection}


class _Following(Connection):
    def __init__(self, *, cluster: str = "", **options: Any) -> None:
        super().__init__(redis_connect_func=type(self).follow, **options)
        self._named = (self.host, self.port)
        self._turn = self._redirections = 0

    def pack_command(self, *args: Any) -> list[bytes]:
        """The bytes of a command."""
        return super().pack_command(*map(in_slot, args))

    async def follow(self) -> None:
        """Go where rtp's keys are."""
        await self.on_connect()
        await self.send_command("EXISTS", STREAM)
        try:
            await super().read_response()
        except MovedError as moved:
            await self._move(moved)
        else:
            await self._learn()

    async def disconnect(self, *args: Any, **options: Any) -> None:
        """Let go; the next connection is to the next node."""
        await super().disconnect(*args, **options)
        self._turn += 1
        nodes = known_nodes(self._named)
        self.host, self.port = nodes[self._turn % len(nodes)]

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """The answer. Raises redis.ConnectionError where rtp's slot has left this node."""
        try:
            return await super().read_response(*args, **options)
        except ELSEWHERE as error:
            await self.disconnect(nowait=True)
            raise redis.ConnectionError(f"the cluster does not serve rtp's keys here and now: {error}") from error

    async def _move(self, moved: MovedError) -> None:
        if self._redirections == MOST_REDIRECTIONS:
            raise redis.ConnectionError(f"the cluster's nodes disagree on who serves rtp's keys: {moved}")
        self._redirections += 1
        asked = self.host
        try:
            await self.disconnect(nowait=True)
            self.host, self.port = moved.host or asked, moved.port
            await self.connect()  # type: ignore[no-untyped-call]
        finally:
            self._redirections -= 1

    async def _learn(self) -> None:
        await self.send_command("CLUSTER", "SLOTS")
        try:
            told = told_nodes(await super().read_response(), (self.host, self.port))
        except redis.ResponseError:  # not everybody may ask
            return
        known_nodes(self._named)[1:] = told - {self._named}


class _ClusterConnection(_Following):
    pass


class _SslClusterConnection(_Following, SSLConnection):
    pass
