"""configs/default.yaml as a test changes it."""

from __future__ import annotations

import copy
import functools
from typing import Any

import yaml

from core.settings.file import default_path


def default_document() -> dict[str, Any]:
    """A copy of its own for each caller; read once, as that takes longer than most tests."""
    return copy.deepcopy(_read())


@functools.cache
def _read() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(default_path().read_text(encoding="utf-8"))
    return document
