"""The names in Redis that rtp alone uses; those that a reader needs are in `rtp_client.keys`."""

from __future__ import annotations

from rtp_client.event import decode_part, encode_part

FENCE = "rtp:leader"
"""Holds the highest epoch that has delivered; what a lower one brings is refused."""
CACHE_MARKER = "rtp:filled"
"""Says that the cache was filled from the log, until Redis loses its memory."""

# What a stream source keeps beside its baselines.
BASELINES_DUE = "rtp:baselines:due"
"""The baselines for which time alone may bring something about, by that time."""
ALERTS = "rtp:alerts"
"""How many alerts wait for each queue; its name begins that of every key with alerts that wait."""
BASELINES_UNSENT = "rtp:baselines:unsent"
"""Where an earlier version of rtp noted the baselines that kept alerts, by the time of the oldest."""
SEQUENCE = "rtp:sequence"
"""The last sequence that was given to an event."""
DEAD_LETTERS = "rtp:dead-letters"
"""Records and events that can never be used, where no queue is named for them."""

BASELINES_MARKER = "rtp:baselines:marker"
"""Says that the baselines are those of before, until Redis loses its memory."""
BASELINES_REBUILD = "rtp:baselines:rebuild"
"""A hash: of each table that baselines are rebuilt from, how far it is read."""

TICKED = "rtp:ticked"
"""When a stream source last ticked."""

# What `rtp notify` keeps.
NOTIFY_SEEN = "rtp:notify:seen"
"""The ids of the events that were put into the outbox lately, by when."""
NOTIFY_DESTINATIONS = "rtp:notify:destinations"
"""The destinations that there ever were, until nothing waits for one that is no more."""
NOTIFY_DEAD = "rtp:notify:dead"
"""A stream of what can never be told."""
NOTIFY_ACKNOWLEDGED = "rtp:notify:acknowledged"
"""The ids of events that somebody has acknowledged, by when."""
NOTIFY_EXPECTED = "rtp:notify:expected"
"""What an audience is to acknowledge, by until when."""
NOTIFY_ESCALATED = "rtp:notify:escalated"
"""How many alerts others were told for want of an acknowledgement."""
NOTIFY_EXPECTED_EVENTS = "rtp:notify:expected:events"
"""A hash: the events of these."""


def baseline_key(watch: str, chain: str, entity: str) -> str:
    """The hash that holds what a stream source remembers of an entity."""
    return f"rtp:baseline:{watch}:{encode_part(chain)}:{encode_part(entity)}"


def baseline_pattern(watch: str, entity: str) -> str:
    """What the keys of an entity's baselines match, on every chain."""
    return f"rtp:baseline:{watch}:*:{encode_part(entity)}"


def baselines_of(watch: str) -> str:
    """What the keys of a watch's baselines match."""
    return f"rtp:baseline:{watch}:*"


def baseline_owner(key: str) -> tuple[str, str, str]:
    """Whose baseline a key is: watch, chain and entity."""
    _, _, watch, chain, entity = key.split(":")
    return watch, decode_part(chain), decode_part(entity)


def market_key(watch: str) -> str:
    """The hash that holds what a stream source remembers of a watch's market-wide moves."""
    return f"rtp:market:{watch}"


def entities_key(watch: str) -> str:
    """The set of a watch's baselines, which its market-wide moves are a share of."""
    return f"rtp:market:{watch}:entities"


def alerts_key(queue: str) -> str:
    """The baselines with alerts that wait for a queue, by when the oldest was made."""
    return f"{ALERTS}:{queue}"


def alerts_of_key(queue: str, baseline: str) -> str:
    """A baseline's alerts that wait for a queue, by sequence; named as in core/handler/places.lua."""
    return f"{ALERTS}:{queue}{baseline[baseline.index(':') :]}"


def checkpoint_key(stream_arn: str) -> str:
    """The hash that holds how far each shard of a stream was read."""
    return f"rtp:checkpoint:{encode_part(stream_arn)}"


def progress_key(table: str, shard: str) -> str:
    """The hash that counts what was done of a shard of a table's stream."""
    return f"rtp:progress:{encode_part(table)}:{encode_part(shard)}"


def progress_pattern(table: str) -> str:
    """What the keys of a table's progress match."""
    return f"rtp:progress:{encode_part(table)}:*"


def progress_shard(key: str) -> str:
    """Which shard's progress a key is."""
    return decode_part(key.rpartition(":")[2])


def outbox_key(destination: str) -> str:
    """The stream of the alerts that wait for a destination of `rtp notify`."""
    return f"rtp:notify:waiting:{encode_part(destination)}"


def tries_key(destination: str) -> str:
    """The hash that counts how often each alert in an outbox was tried."""
    return f"rtp:notify:tries:{encode_part(destination)}"


def standing_key(destination: str) -> str:
    """The hash of how a destination stands: what was told, what failed, when it may be tried again."""
    return f"rtp:notify:standing:{encode_part(destination)}"


def lease_key(work: str, piece: str) -> str:
    """Who does a piece of such work now: its token, for as long as the lease lasts."""
    return f"rtp:notify:lease:{work}:{encode_part(piece)}"


def workers_key(work: str) -> str:
    """The processes that share such work, by when each is taken for gone."""
    return f"rtp:notify:workers:{work}"


def offer_key(offer_id: str) -> str:
    """The message that can be acknowledged by this id: its first line, and its events' ids."""
    return f"rtp:notify:offer:{encode_part(offer_id)}"
