"""A thread that works while this rtp leads: what every loop of a pipeline has in common."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from core.errors import RtpError
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from core.leading.epoch import Epoch, Epochs


class Loop(ABC):
    """Serves one epoch after another, until told to stop. `failure` is why it ended by itself, if it did."""

    def __init__(self, name: str, epochs: Epochs) -> None:
        self.name = name
        self.failure: RtpError | None = None
        self._epochs = epochs
        epochs.loops.append(name)
        self._stopping = threading.Event()
        self._halt = threading.Event()  # set at the end of an epoch, and when stopping
        self._thread = threading.Thread(target=self._run, name=f"rtp-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def request_stop(self) -> None:
        """Ask the loop to end after what it has in hand."""
        self._stopping.set()
        self._halt.set()
        self._epochs.wake()

    def abandon(self) -> bool:
        """Have the loop end without what it waits for; false where it has to wait."""
        return False

    def join(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the loop to end; false where it has not by then."""
        if self._thread.ident is None:  # stopped before it was started
            return True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    @abstractmethod
    def _serve(self, epoch: Epoch) -> None:
        """Work until `_halt` is set. An error that leaves it ends the loop, and with it rtp."""

    def _prepare(self) -> None:  # noqa: B027 - most have nothing to do here
        """Do what there is to do before the first epoch."""

    def _finish(self) -> None:  # noqa: B027
        """Give up what the loop holds."""

    def _fail(self, error: RtpError) -> None:
        self.failure = error

    def _run(self) -> None:
        try:
            self._prepare()
            while (epoch := self._epochs.next(self._stopping, self._halt)) is not None:
                self._serve(epoch)
        except RtpError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a loop that ends without a word would go unnoticed
            failure = RtpError(
                f"a defect in rtp ended {self.name}: {type(error).__name__}: {one_line(error)}", "Please report it"
            )
            failure.__cause__ = error
            self._fail(failure)
        finally:
            self._finish()
