"""A script that is called over one connection, which is held: that takes a third of the CPU of redis-py's commands.

Those take a connection out of the pool for every call, and put retries and observers around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from collections.abc import Sequence


class HeldScript:
    """A script, and the connection over which it is called. Not thread-safe.

    Whoever closes the client closes the connection, too, from any thread.
    """

    def __init__(self, client: redis.Redis, source: str) -> None:
        self._pool: Any = client.connection_pool
        self._source = source
        self._sha = client.register_script(source).sha
        self._connection: Any = None

    def __call__(self, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:
        """What the script returns. Raises redis.RedisError, and gives the connection back then."""
        connection = self._take()
        try:
            command = connection.pack_command("EVALSHA", self._sha, len(keys), *keys, *arguments)
            try:
                connection.send_packed_command(command)
                return connection.read_response()
            except NoScriptError:
                connection.send_command("SCRIPT LOAD", self._source)
                connection.read_response()
                connection.send_packed_command(command)
                return connection.read_response()
        except redis.RedisError:
            self.release()
            raise

    def release(self) -> None:
        """Give the connection back to the client, for other commands; the next call takes one again."""
        if self._connection is not None:
            self._pool.release(self._connection)
            self._connection = None

    def _take(self) -> Any:
        if self._connection is not None and not self._is_usable():
            self.release()
        if self._connection is None:
            self._connection = self._pool.get_connection()
        return self._connection

    def _is_usable(self) -> bool:
        """Whether the server has left the connection open since the last call, and has said nothing more."""
        try:
            return not self._connection.can_read()
        except redis.ConnectionError:
            return False
