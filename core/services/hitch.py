"""One thing that a loop cannot do: among the troubles as long as that lasts, told once, and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.problem import LastingProblem
from core.trouble import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.problem import Problem
    from core.trouble import Troubles


class Hitch:
    """`part` cannot do its work with `service`. What is over within `patience_seconds` is not told."""

    def __init__(
        self,
        part: str,
        service: str,
        *,
        troubles: Troubles,
        on_problem: Callable[[Problem], None],
        patience_seconds: float = 0.0,
    ) -> None:
        self.cause = ""
        self._part = part
        self._service = service
        self._troubles = troubles
        self._problem = LastingProblem(part, on_problem)
        self._patience_seconds = patience_seconds

    def failed(self, cause: str, text: str) -> None:
        """It did not work, for that cause; `text` says so to a person."""
        self.cause = cause
        trouble = self._troubles.met(self._part, self._service, cause)
        if (now() - trouble.since).total_seconds() >= self._patience_seconds:
            self._problem.tell(text, facts={"service": self._service, "error": cause})

    def worked(self, text: str) -> None:
        """It works, or works again; `text` tells the latter."""
        self.rest()
        self._problem.is_over(text)

    def rest(self) -> None:
        """There is nothing to do for now; so there is no trouble, either."""
        if self.cause:
            self.cause = ""
            self._troubles.over(self._part, self._service)
