"""What the end-to-end tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.settings.file import default_path

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def prompt_config(tmp_path: Path) -> str:
    """The default settings, but with a status every 0.2 s and short timeouts: the tests need not wait."""
    return _write_prompt_config(tmp_path)


@pytest.fixture(scope="module")
def shared_config(tmp_path_factory: pytest.TempPathFactory) -> str:
    """As `prompt_config`, for all tests of a file."""
    return _write_prompt_config(tmp_path_factory.mktemp("shared"))


def _write_prompt_config(folder: Path) -> str:
    text = default_path().read_text(encoding="utf-8")
    for line, prompt in (
        ("status_interval_seconds: 5", "status_interval_seconds: 0.2\n  retry_max_seconds: 0.3"),
        ("open_seconds: 0.5", "open_seconds: 0.3"),
        ("cache_ttl_seconds: 3600", "cache_ttl_seconds: 3600\n  timeout_seconds: 0.5"),
        ("queue: rtp-alerts.fifo", "queue: rtp-alerts.fifo\n  timeout_seconds: 0.5"),
    ):
        assert line in text
        text = text.replace(line, prompt)
    path = folder / "rtp.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)
