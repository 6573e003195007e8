"""Work in parts that fail by themselves: a failing one has its own backoff and trouble, and stops no other."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from core.errors import ServiceUnavailable, SettingsError
from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from core.trouble import Troubles
    from rtp_client.backoff import Backoff

_SERVICE = "DynamoDB"


class Part(NamedTuple):
    """Its name, and its work, which returns how much was done."""

    name: str
    work: Callable[[], int]


@dataclass(frozen=True)
class _Failing:
    """A part that fails: how often in a row, and when it is tried again. It may pass unless it `is_mistaken`."""

    failures: int
    due_at: float
    is_mistaken: bool


class Attempts:
    """Does the work of parts. Their troubles stand in `troubles`, and are told once. Not thread-safe."""

    def __init__(
        self,
        backoff: Backoff,
        troubles: Troubles,
        on_problem: Callable[[Problem], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backoff = backoff
        self._troubles = troubles
        self._on_problem = on_problem
        self._clock = clock
        self._failing: dict[str, _Failing] = {}
        self._has_worked: set[str] = set()

    @property
    def is_waiting(self) -> bool:
        """Whether a part waits for a service that may come back."""
        return any(not one.is_mistaken for one in self._failing.values())

    @property
    def never_worked(self) -> set[str]:
        """The parts that fail now, and have never done any work."""
        return set(self._failing) - self._has_worked

    def run(self, parts: Iterable[Part]) -> int:
        """Do the work of each part that is due. Returns how much was done.

        Raises the error of one of them where none of them could do anything, as no part alone is to blame then.
        """
        done, worked = 0, list[str]()
        errors: dict[str, ServiceUnavailable | SettingsError] = {}
        for name, work in parts:
            failing = self._failing.get(name)
            if failing is not None and failing.due_at > self._clock():
                continue
            try:
                done += work()
            except (ServiceUnavailable, SettingsError) as error:
                errors[name] = error
            else:
                worked.append(name)
        if errors and not worked:
            self._raise_for_all(errors.values())
        for name in worked:
            self._note_work(name)
        for name, failure in errors.items():
            self._note_failure(name, failure)
        return done

    def _raise_for_all(self, errors: Collection[ServiceUnavailable | SettingsError]) -> None:
        """Raise a failure of a service; a mistake in the settings only where nothing has ever worked by them.

        What has worked may be deleted and made again, or its stream disabled: no reason to end.
        """
        outages = (error for error in errors if isinstance(error, ServiceUnavailable))
        failure = next(outages, None) or (None if self._has_worked else next(iter(errors)))
        if failure is not None:
            self._try_all_again()
            raise failure

    def _try_all_again(self) -> None:
        """Who called paces the next try: all parts belong to it, else it could not tell that one works again."""
        for name, failing in self._failing.items():
            self._failing[name] = _Failing(failing.failures, 0.0, failing.is_mistaken)

    def _note_work(self, name: str) -> None:
        self._has_worked.add(name)
        if self._failing.pop(name, None) is not None:
            self._troubles.over(name, _SERVICE)
            self._on_problem(Problem(f"{name}: read again", "poller", logging.INFO))

    def _note_failure(self, name: str, error: ServiceUnavailable | SettingsError) -> None:
        before = self._failing.get(name)
        failures = 1 if before is None else before.failures + 1
        due_at = self._clock() + self._backoff.wait_seconds(failures)
        self._failing[name] = _Failing(failures, due_at, isinstance(error, SettingsError))
        self._troubles.met(name, _SERVICE, str(error))
        if before is None:
            self._on_problem(Problem(f"{name}: {error}. Trying again", "poller"))
