"""A server's log: what it wrote since its last start, without its secrets, and what that means."""

from __future__ import annotations

import shutil
from pathlib import Path

SHOWN_LINES = 5
NEARLY_FULL_BYTES = 1 << 20


class ServerLog:
    """The file that a server's output goes to."""

    def __init__(self, path: Path, secrets: tuple[str, ...]) -> None:
        self.path = path
        self._secrets = secrets
        self._start = 0

    def note_start(self) -> None:
        """From here on, earlier starts are not talked about."""
        self._start = self.path.stat().st_size if self.path.exists() else 0

    def text(self) -> str:
        """What was written since the start (at most its last 8 kB)."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(self._start, size - 8192))
            text = file.read().decode(errors="replace")
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def last_lines(self) -> str:
        """The last lines, as one."""
        return " | ".join(line.strip() for line in self.text().splitlines()[-SHOWN_LINES:])

    def tells_of_taken_port(self) -> bool:
        """Whether the server could not listen."""
        return "already in use" in self.text().lower()

    def tells_of_full_disk(self) -> bool:
        """Whether there is no space left; also looked up, as on a full disk the log itself is cut off."""
        free = shutil.disk_usage(self.path.parent).free
        return free < NEARLY_FULL_BYTES or "No space left on device" in self.text()
