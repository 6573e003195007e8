"""What a reader of the cache may be told."""

from __future__ import annotations

import pytest

from rtp_client import CacheReader, SettingsError
from rtp_client.cache.options import per_kind


def test_one_number_is_for_all_kinds() -> None:
    assert [per_kind(60, 3600)(kind) for kind in ("tvl", "price")] == [60, 60]


def test_a_mapping_leaves_other_kinds_at_the_default() -> None:
    assert [per_kind({"tvl": 60}, 3600)(kind) for kind in ("tvl", "price")] == [60, 3600]


def test_nothing_said_is_the_default() -> None:
    assert per_kind(None, 3600)("tvl") == 3600


def test_a_database_without_tables_is_refused() -> None:
    with pytest.raises(SettingsError, match="without tables to look into"):
        CacheReader("redis://localhost", "postgresql://localhost/defi")
