"""A process of ours: told something on its standard input, heard line by line, and ended by its starter."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections import deque
from typing import IO, TYPE_CHECKING

from core.own_python import with_own_path

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping, Sequence

_LINES_KEPT = 20
_LAST_LINES_SECONDS = 5


class Process:
    """Runs from its making. `on_line` hears standard output, `on_complaint` standard error, on threads of their own.

    A Ctrl-C in the terminal does not reach the process: it is for whoever started it. The end of its standard input
    tells a process that its parent is gone.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        *,
        on_line: Callable[[str], object] | None = None,
        on_complaint: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._complaints: deque[str] = deque(maxlen=_LINES_KEPT)
        self._on_complaint = on_complaint
        self._process = subprocess.Popen(
            arguments,
            env=with_own_path(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if on_line is None else subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._hearing = [self._hear(self._process.stderr, self._complain)]
        if on_line is not None:
            self._hearing.append(self._hear(self._process.stdout, on_line))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; it may be paused."""
        return self._process.poll()

    def how_it_ended(self) -> str:
        """Exit code and last words of one that has ended."""
        self._hearing[0].join(_LAST_LINES_SECONDS)
        last = f": {self._complaints[-1]}" if self._complaints else ""
        return f"ended with exit code {self._process.returncode}{last}"

    def tell(self, line: bytes) -> None:
        """Write to its standard input; one that has ended does not hear it."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; harmless where it has ended."""
        self._process.send_signal(number)

    def wait(self, within_seconds: float) -> bool:
        """Wait for its end; false where that does not come."""
        try:
            self._process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, number: signal.Signals | None, within_seconds: float) -> bool:
        """Send the signal, or close its standard input where there is none, and wait; kill it where that takes longer.

        False where it had to be killed.
        """
        assert self._process.stdin is not None
        if number is not None:
            self.send(number)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        is_prompt = self.wait(within_seconds)
        self._process.kill()
        self._process.wait()
        for thread in self._hearing:
            thread.join(_LAST_LINES_SECONDS)
        return is_prompt

    def _complain(self, line: str) -> None:
        if text := line.strip():
            self._complaints.append(text)
            self._on_complaint(text)

    @staticmethod
    def _hear(pipe: IO[bytes] | None, listener: Callable[[str], object]) -> threading.Thread:
        assert pipe is not None

        def hear() -> None:
            with pipe:
                for line in pipe:
                    if line.endswith(b"\n"):  # else it was killed while it wrote
                        listener(line.decode(errors="replace"))

        thread = threading.Thread(target=hear, daemon=True)
        thread.start()
        return thread
