"""The schema that the migrations make is the one that the processor asks for."""

from __future__ import annotations

from core.log.installation import SCHEMA_VERSION
from triggers.migrations import newest_version


def test_the_log_needs_the_newest_migration() -> None:
    assert newest_version() == SCHEMA_VERSION
