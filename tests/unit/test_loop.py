"""What every loop of a pipeline does: epoch after epoch, until it is told to stop, and never an end without a word."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from core.errors import NotInstalled
from core.leading.epoch import UNFENCED, Epoch, Epochs
from core.leading.loop import Loop
from tests.eventually import eventually


class Noting(Loop):
    """Notes what it does; `error` is what its work raises."""

    def __init__(self, epochs: Epochs, error: Exception | None = None) -> None:
        super().__init__("noting", epochs)
        self.did: list[str | int] = []
        self._error = error

    def _prepare(self) -> None:
        self.did.append("prepared")

    def _serve(self, epoch: Epoch) -> None:
        self.did.append(epoch.number)
        if self._error:
            raise self._error
        self._halt.wait()

    def _finish(self) -> None:
        self.did.append("finished")


@contextmanager
def started(loop: Noting) -> Iterator[Noting]:
    loop.start()
    yield loop
    loop.request_stop()
    assert loop.join(10)


def test_it_works_only_while_there_is_an_epoch() -> None:
    epochs = Epochs()
    with started(Noting(epochs)) as loop:
        eventually(lambda: loop.did == ["prepared"])
        epochs.begin(UNFENCED)
        eventually(lambda: loop.did == ["prepared", 0])


def test_it_serves_one_epoch_after_another() -> None:
    first, epochs = Epoch(1), Epochs()
    epochs.begin(first)
    with started(Noting(epochs)) as loop:
        eventually(lambda: loop.did == ["prepared", 1])
        epochs.begin(Epoch(2))
        first.end()
        eventually(lambda: loop.did == ["prepared", 1, 2])


def test_it_gives_up_what_it_holds_when_it_is_told_to_stop() -> None:
    with started(Noting(Epochs(UNFENCED))) as loop:
        pass
    assert (loop.did[-1], loop.failure, loop.is_running) == ("finished", None, False)


def test_an_error_ends_it_with_the_reason() -> None:
    error = NotInstalled("the database has no rtp schema")
    with started(Noting(Epochs(UNFENCED), error)) as loop:
        assert eventually(lambda: loop.failure) is error


def test_a_defect_ends_it_with_its_name() -> None:
    with started(Noting(Epochs(UNFENCED), IndexError("list index out of range"))) as loop:
        failure = eventually(lambda: loop.failure)
    assert str(failure) == ("a defect in rtp ended noting: IndexError: list index out of range. Please report it")


@pytest.mark.parametrize("seconds", [0, None])
def test_one_that_was_never_started_has_ended(seconds: float | None) -> None:
    assert Noting(Epochs()).join(seconds)


def test_who_waits_for_its_end_may_give_up() -> None:
    hold = threading.Event()

    class Stubborn(Noting):
        def _serve(self, epoch: Epoch) -> None:
            hold.wait()

    loop = Stubborn(Epochs(UNFENCED))
    loop.start()
    loop.request_stop()
    assert not loop.join(0.01)
    hold.set()
    assert loop.join(10)
