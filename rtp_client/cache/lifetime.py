"""How long entries live that readers fill or keep alive."""

from __future__ import annotations

from zlib import crc32


def spread(ttl_ms: int, key: str) -> int:
    """Up to a tenth less, each key its own share: what was filled at once, as at a start, does not end at once."""
    return ttl_ms - ttl_ms * (crc32(key.encode()) % 1000) // 10_000
