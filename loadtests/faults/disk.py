"""A small disk of our own for the servers' data, so that it can be full without hurting anybody else.

A tmpfs in a mount namespace that only this process and its children see: it vanishes with them, however they end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import tempfile
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_MS_REC_PRIVATE = 0x4000 | 0x40000
_BLOCK = b"\0" * 1_048_576


class Disk:
    """To be made before any thread is started. `missing` says why there is none, where there is none."""

    def __init__(self, size_mb: int) -> None:
        self.missing = ""
        self._size_mb = size_mb
        self.folder = Path(tempfile.mkdtemp(prefix="rtp-disk-"))
        self.folder.chmod(0o755)
        self._filler = self.folder / "filler"
        try:
            self._mount()
        except OSError as error:
            self.missing = f"it needs a disk of its own, and mount says: {error.strerror}"
        except AttributeError:
            self.missing = "it needs Linux"

    def fill(self) -> None:
        """Leave not a byte. Raises OSError where it cannot be written to for another reason."""
        size = len(_BLOCK)
        descriptor = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            while size:
                try:
                    os.write(descriptor, _BLOCK[:size])
                except OSError:
                    size //= 2
        finally:
            os.close(descriptor)

    def give_back(self) -> None:
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        if not self.missing:
            ctypes.CDLL(None).umount2(str(self.folder).encode(), 2)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _mount(self) -> None:
        if not sys.platform.startswith("linux"):
            raise AttributeError
        libc = ctypes.CDLL(None, use_errno=True)
        _check(libc.unshare(_CLONE_NEWNS))
        _check(libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC_PRIVATE), None))
        options = f"size={self._size_mb}m,mode=755".encode()
        _check(libc.mount(b"tmpfs", str(self.folder).encode(), b"tmpfs", ctypes.c_ulong(0), options))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
