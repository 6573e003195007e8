"""Watches to judge by, without a settings file."""

from __future__ import annotations

from typing import Any

from core.kinds import SHIPPED
from core.settings.watches import ValueWatch, watch_model


def value_watch(kind: str = "tvl", **keys: Any) -> ValueWatch:
    """A watch of a kind with values; its columns are called as the settings call them."""
    columns = {name: name for name in (SHIPPED[kind].entity, "chain", "value", "changed_at")}
    watch = watch_model(SHIPPED[kind]).model_validate({"kind": kind, "table": kind, "columns": columns, **keys})
    assert watch.has_value
    return watch
