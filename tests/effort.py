"""How many random examples tests try: a few, always the same, for each change; many new ones by `make test-long`."""

from __future__ import annotations

import os

from hypothesis import settings

IS_LONG = bool(os.environ.get("TEST_LONG"))

settings.register_profile("short", max_examples=30, derandomize=True, deadline=None)
settings.register_profile("long", max_examples=1000, deadline=None)


def seeds(few: int, many: int) -> range:
    """The seeds of a test that draws its own random steps."""
    return range(many if IS_LONG else few)
