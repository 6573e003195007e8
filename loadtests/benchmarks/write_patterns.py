"""What overhead.py writes: nothing or everything significant to a table updated in place, and samples to a history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BULK_ROWS = 5000


@dataclass(frozen=True)
class WritePattern:
    """How a contestant's table is written to, `{table}` being its name.

    `table` is which of its tables, by the name before its own; `one` writes a row of the entity `'p' || {key}`.
    """

    table: str
    one: str
    many: str

    def one_row(self, table: str, key: str) -> str:
        """The statement that writes one row."""
        return self.one.format(table=f"{self.table}_{table}", key=key)

    def many_rows(self, table: str) -> str:
        """The statement that writes BULK_ROWS of them."""
        return self.many.format(table=f"{self.table}_{table}")


def _updates(value: str) -> WritePattern:
    change = f"UPDATE {{table}} SET tvl_usd = {value}"  # noqa: S608
    return WritePattern(
        "updated",
        one=f"{change}, updated_at = now() WHERE chain = 'b' AND protocol = 'p' || {{key}}",
        many=f"{change} WHERE substr(protocol, 2)::int < {BULK_ROWS}",
    )


_APPEND = "INSERT INTO {table} (chain, protocol, tvl_usd, source, updated_at) SELECT 'b', 'p' || "
WRITE_PATTERNS: Mapping[str, WritePattern] = {
    "quiet": _updates("1000 + random() * 5"),
    "significant": _updates("tvl_usd * CASE WHEN tvl_usd > 1000 THEN 0.7 ELSE 1.5 END"),
    "history": WritePattern(
        "appended",
        one=f"{_APPEND} {{key}}, 1000 + random() * 5, 'x', clock_timestamp()",
        many=f"{_APPEND} n, 1000 + random() * 5, 'x', clock_timestamp() FROM generate_series(1, {BULK_ROWS}) AS n",
    ),
}
