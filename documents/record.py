"""Record the page and the board of a running demo, frame by frame: `make pictures`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from documents.board import drawings_of_board
from documents.moving import moving

FRAMES = 8
_BETWEEN_FRAMES_MS = 1200
_FIRST_MS = 40_000
"""So long until the demo has something to show."""
_RTP = (sys.executable, "-m", "cli")


def record(folder: Path) -> None:
    """Put frames of the page, and the moving picture of `rtp top`, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    demo = subprocess.Popen(
        [*_RTP, "run", "--demo", "--serve", "--listen", "127.0.0.1:0", "--plain", "--for", "120s"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert demo.stdout is not None
    try:
        address = next(
            found[0] for line in demo.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+/?(?=\s|$)", line))
        )
        _record_page(address, folder)
        drawings = drawings_of_board(FRAMES, first_seconds=15, between_seconds=_BETWEEN_FRAMES_MS / 1000)
        (folder / "board.svg").write_text(moving(drawings), "utf-8")
    finally:
        demo.terminate()
        demo.communicate(timeout=30)


def _record_page(address: str, folder: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
    ):
        page: Page = browser.new_page(viewport={"width": 1360, "height": 720})
        page.goto(address)
        page.wait_for_timeout(_FIRST_MS)
        for number in range(FRAMES):
            page.screenshot(path=folder / f"page-{number:02}.png")
            page.wait_for_timeout(_BETWEEN_FRAMES_MS)


if __name__ == "__main__":
    record(Path(sys.argv[1]))
