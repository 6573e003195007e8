"""The clients of Redis that rtp and its readers make."""

from __future__ import annotations

import traceback

import pytest

from rtp_client import AsyncCacheReader, CacheReader, EventStream, SettingsError


@pytest.mark.parametrize("face", [CacheReader, AsyncCacheReader, EventStream])
@pytest.mark.parametrize("url", ["redis://:secret/x@host:6379/0", "redis://:secret@[host", "secret@host"])
def test_an_address_that_cannot_be_read_is_not_shown(face: type, url: str) -> None:
    with pytest.raises(SettingsError, match="percent-encode") as refused:
        face(url)
    assert "secret" not in "".join(traceback.format_exception(refused.value))
