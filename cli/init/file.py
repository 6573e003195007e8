"""The settings file that `rtp init` writes: whole or not at all, and over nothing that is there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from core.errors import SettingsError


def check_free(path: Path, *, force: bool) -> None:
    """Raise SettingsError where the file could not be written."""
    if path.is_dir():
        raise SettingsError(f"{path} is a folder", "Name a file with --output")
    if not path.absolute().parent.is_dir():
        raise SettingsError(
            f"there is no folder {path.absolute().parent} to write {path.name} to",
            "Make it, or name another with --output",
        )
    if path.exists() and not force:
        raise _is_there(path)


def write(path: Path, text: str, *, force: bool) -> None:
    """Write the file. Raises SettingsError."""
    try:
        handle, written = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(written).chmod(0o666 & ~_mask())
            if force:
                Path(written).replace(path)
            else:
                os.link(written, path)  # fails where somebody has made the file meanwhile
        finally:
            Path(written).unlink(missing_ok=True)
    except FileExistsError:
        raise _is_there(path) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}", "Name another file with --output") from error


def _mask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _is_there(path: Path) -> SettingsError:
    return SettingsError(
        f"{path} is there already, and stays as it is", "Name another file with --output, or write over it with --force"
    )
