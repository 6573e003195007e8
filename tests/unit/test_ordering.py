"""Which streams must be read in one line, and how long a sample may wait for earlier ones."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import SettingsError
from core.handler.ordering import needs_factor_one
from core.settings.models import Settings
from core.sinks.settings import load_settings

COLUMNS = {"token": "token", "value": "price", "changed_at": "time"}


def settings(shape: str, **table: Any) -> Settings:
    watch = {"kind": "price", "table": "prices", "shape": shape, "columns": COLUMNS}
    tables = {"prices": {"table": "prices", **table}}
    return Settings.model_validate({"watches": {"prices": watch}, "dynamodb": {"tables": tables}})


@pytest.mark.parametrize(
    ("shape", "table", "must"),
    [("latest", {}, False), ("history", {}, True), ("history", {"reorder": "2s"}, False)],
)
def test_a_history_needs_a_parallelisation_factor_of_1_unless_its_samples_wait_for_each_other(
    shape: str, table: dict[str, Any], must: bool
) -> None:
    assert needs_factor_one(settings(shape, **table), "prices") is must


@pytest.mark.parametrize(
    ("shape", "reorder", "complaint"),
    [
        ("latest", "2s", "prices is no history, so its items need no reorder. Remove it"),
        ("history", "1h", "dynamodb.tables.prices.reorder"),
    ],
)
def test_what_cannot_wait_is_refused_in_one_line(tmp_path: Any, shape: str, reorder: str, complaint: str) -> None:
    path = tmp_path / "rtp.yaml"
    path.write_text(
        f"watches: {{prices: {{kind: price, table: prices, shape: {shape}, columns: {COLUMNS}}}}}\n"
        f"dynamodb: {{tables: {{prices: {{table: prices, reorder: {reorder}}}}}}}\n"
    )
    with pytest.raises(SettingsError) as raised:
        load_settings(path, environ={}, options={})
    assert complaint in str(raised.value)
    assert f"{path}:2:" in str(raised.value)
