"""How far each shard of a stream was read by `rtp run`, as Redis keeps it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from core.redis_names import checkpoint_key
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import redis

FINISHED = "finished"
"""In place of a sequence number: all of the shard was read."""
_KEPT = timedelta(days=30)
"""After the last look at a stream. Its records are gone after 24 hours, and what is older is told of until then."""
_PLACE = "the checkpoints"


class Checkpoints:
    """Every method raises ServiceUnavailable."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def read(self, stream_arn: str) -> Mapping[str, str]:
        """The last sequence number that is done of each shard, or FINISHED."""
        with redis_errors(_PLACE):
            found: Any = self._client.hgetall(checkpoint_key(stream_arn))
        return {name.decode(): value.decode() for name, value in found.items()}

    def save(self, stream_arn: str, shard_id: str, checkpoint: str) -> None:
        """So far a shard is done."""
        with redis_errors(_PLACE):
            self._client.hset(checkpoint_key(stream_arn), shard_id, checkpoint)

    def keep_only(self, stream_arn: str, gone: Collection[str]) -> None:
        """Forget the shards that are gone; the others are kept for as long as somebody looks at the stream."""
        key = checkpoint_key(stream_arn)
        with redis_errors(_PLACE), self._client.pipeline(transaction=False) as pipe:
            if gone:
                pipe.hdel(key, *gone)
            pipe.expire(key, _KEPT)
            pipe.execute()
