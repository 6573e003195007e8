"""A folder that embedded stacks keep everything below, so that whatever they leave behind can be found."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.stack import pids
from tests.eventually import eventually
from tests.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Place:
    """The folder, and what is in it."""

    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """The variables that keep a process's stacks, and their state, in the folder."""
        return {"TMPDIR": str(self.folder), "RTP_STATE_DIR": str(self.folder / "state")}

    def leftovers(self) -> list[object]:
        """The servers that still run, and the files that are still there."""
        return [*processes_in(self.folder), *files_in(self.folder)]


@contextmanager
def own_place() -> Iterator[Place]:
    """Make such a folder. Not tmp_path: as root, PostgreSQL's user must be able to enter it."""
    folder = Path(tempfile.mkdtemp(prefix="rtp-test-", dir=scratch_folder()))
    folder.chmod(0o755)
    try:
        yield Place(folder)
    finally:
        eventually(lambda: _is_removed(folder))


def processes_in(folder: Path) -> list[int]:
    """The processes that work in this folder, or in one of this name that is deleted."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str((entry / "cwd").readlink()).startswith(str(folder)):
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pids.is_alive(pid)]


def files_in(folder: Path) -> list[Path]:
    """Everything below the folder but the empty place for state files."""
    found = [Path(above, name) for above, folders, files in os.walk(folder) for name in (*folders, *files)]
    return [path for path in found if path != folder / "state"]


def _is_removed(folder: Path) -> bool:
    """Remove it; where a test has failed, a guard may be at it, too."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
