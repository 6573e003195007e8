"""One name, one class: whoever reads or searches a name finds one thing."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("rtp_client", "core", "triggers", "cli", "loadtests", "infrastructure")


def test_no_two_classes_have_one_name() -> None:
    texts = [file.read_text("utf-8") for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    names = Counter(name for text in texts for name in re.findall(r"^\s*class (\w+)[:(]", text, re.MULTILINE))
    assert names["Settings"] == 1
    assert [name for name, count in names.items() if count > 1] == []
