"""A script that is called over one connection, which is held: that takes a third of the CPU of redis-py's commands.

Those take a connection out of the pool for every call, and put retries and observers around it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from collections.abc import Sequence


class HeldScript:
    """A script, and the connection over which it is called. Not thread-safe.

    Several calls may be sent before the first answer is read; answers come in the order of the calls. `send` and
    `receive` raise redis.RedisError, and give the connection back then: no other answer is to be expected.

    Whoever closes the client closes the connection, too, from any thread.
    """

    def __init__(self, client: redis.Redis, source: str) -> None:
        self._pool: Any = client.connection_pool
        self._source = source
        self._sha = client.register_script(source).sha
        self._connection: Any = None
        self._unanswered = 0
        self._silent_since = 0.0
        self._is_forgotten = False

    def send(self, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> None:
        """Call the script, and leave the answer for later."""
        connection = self._take()
        try:
            if self._is_forgotten and not self._unanswered:
                connection.send_command("SCRIPT LOAD", self._source)
                connection.read_response()
                self._is_forgotten = False
            connection.send_packed_command(connection.pack_command("EVALSHA", self._sha, len(keys), *keys, *arguments))
        except redis.RedisError:
            self.release()
            raise
        if not self._unanswered:
            self._silent_since = time.monotonic()
        self._unanswered += 1

    def receive(self) -> Any:
        """What the script returns to the first call without an answer; None where the server did not know the script.

        The next call teaches it that, once nothing is without an answer.
        """
        try:
            answer = self._connection.read_response()
        except NoScriptError:
            self._is_forgotten = True
            answer = None
        except redis.RedisError:
            self.release()
            raise
        self._unanswered -= 1
        self._silent_since = time.monotonic()
        return answer

    def has_answer(self, seconds: float) -> bool:
        """Whether `receive` would not have to wait, now or in time: that the connection is lost is an answer, too.

        So is a silence as long as the client's timeout: `receive` then waits once more as long, and raises.
        """
        try:
            return bool(self._connection.can_read(seconds)) or self._is_silent
        except redis.RedisError:
            return True

    @property
    def _is_silent(self) -> bool:
        return bool(time.monotonic() - self._silent_since > self._connection.socket_timeout)

    def release(self) -> None:
        """Give the connection back to the client, for other commands; the next call takes one again."""
        if self._connection is not None:
            if self._unanswered:  # the answers would be taken for those to others' commands
                self._connection.disconnect()
            self._pool.release(self._connection)
            self._connection = None
            self._unanswered = 0

    def _take(self) -> Any:
        if self._connection is not None and not self._unanswered and not self._is_usable():
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
