"""In a pipe, `rtp backtest` says in lines how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli.backtest_progress import progress
from core.detection.history import FileHistory

if TYPE_CHECKING:
    from pathlib import Path

ROWS = "time,protocol,chain,tvl_usd\n" + "2024-03-19T12:00:00Z,lido,ethereum,1\n" * 3


@pytest.mark.parametrize(
    ("rows", "line"), [(ROWS, "Judging: 2 of 8\n"), ("", "Judging: 2\n")], ids=["known", "unknown"]
)
def test_a_line_says_of_how_many_where_that_is_known(
    rows: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.backtest_progress._LINE_SECONDS", 0.0)
    path = tmp_path / "tvl.csv"
    path.write_text(ROWS, "utf-8")
    history = FileHistory.open(path)
    path.write_text(rows, "utf-8")
    with progress(history, "Judging", readings=2) as tell:
        tell(2)
    assert capsys.readouterr().err == line
