"""Which rtp this is."""

from __future__ import annotations

from functools import cache


@cache
def own_version() -> str:
    """The version of the rtp that runs."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - 30 ms that few commands want

    try:
        return version("defi-rtp")
    except PackageNotFoundError:  # run from its source, not installed
        return "unknown"
