"""The scripts of the cache's readers, and their arguments."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from rtp_client.cache.loading import CLAIM_MS

if TYPE_CHECKING:
    from rtp_client.cache.loading import Claim, Guarded

CLAIM, WRITE, TOUCH = (
    files("rtp_client.cache").joinpath(f"{name}.lua").read_text(encoding="utf-8")
    for name in ("claim", "write", "touch")
)


def claim_arguments(claim: Claim) -> list[str | int]:
    """ARGV of claim.lua."""
    return [claim.token, CLAIM_MS]


def write_arguments(write: Guarded) -> list[str | int]:
    """ARGV of write.lua."""
    return [write.guard, write.expected, write.ttl_ms, *write.fields]
