"""Record the page and the board of a running demo, frame by frame: `make pictures`."""

from __future__ import annotations

import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FRAMES = 8
_BETWEEN_FRAMES_MS = 1200
_FIRST_MS = 40_000
"""So long until the demo has something to show."""
_RTP = (sys.executable, "-m", "cli")


def record(folder: Path) -> None:
    """Put frames of the page, and one picture of `rtp top`, into a folder."""
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
        _record_board(folder)
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


def _record_board(folder: Path) -> None:
    """Textual draws its screen as an SVG by itself, and ends then."""
    surroundings = {
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "TEXTUAL_SCREENSHOT": "6",
        "TEXTUAL_SCREENSHOT_LOCATION": str(folder),
        "TEXTUAL_SCREENSHOT_FILENAME": "board.svg",
    }
    leader, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 34, 124, 0, 0))
    board = subprocess.Popen(
        [*_RTP, "top"], stdin=terminal, stdout=terminal, env=os.environ | surroundings, start_new_session=True
    )
    os.close(terminal)
    with suppress(OSError):  # its terminal is gone: it has ended
        while os.read(leader, 65_536):
            pass
    os.close(leader)
    board.wait(timeout=10)
    picture = folder / "board.svg"
    # Textual would have the font fetched from another host.
    picture.write_text(re.sub(r"@font-face \{.*?\}", "", picture.read_text("utf-8"), flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    record(Path(sys.argv[1]))
