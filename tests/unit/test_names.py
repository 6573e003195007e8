"""One name, one class: whoever reads or searches a name finds one thing."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("rtp_client", "core", "triggers", "cli", "loadtests", "infrastructure")


def test_no_two_classes_have_one_name() -> None:
    trees = [ast.parse(file.read_text("utf-8")) for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1] == []
