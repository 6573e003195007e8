"""The SQL is for PostgreSQL 14, too, whatever server the tests run on."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_statement_asks_for_the_least_of_transactions_with_an_aggregate_of_postgresql_15() -> None:
    aggregates = re.compile(r"\b(?:min|max)\((?:[^()]|\([^()]*\))*?(?:xid|snapshot)")
    files = [file for package in ("core", "triggers", "loadtests") for file in (ROOT / package).rglob("*.sql")]
    assert files
    assert [file.name for file in files if aggregates.search(file.read_text("utf-8"))] == []
