"""What uvicorn logs, as rtp tells it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.problem import Problem
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def telling_defects(on_problem: Callable[[Problem], None]) -> Iterator[None]:
    """Within, errors are told. What uvicorn says of single requests is no news, and addresses may hold tokens."""
    log, handler = logging.getLogger("uvicorn"), _DefectHandler(on_problem)
    log.setLevel(logging.ERROR)
    log.propagate = False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class _DefectHandler(logging.Handler):
    def __init__(self, on_problem: Callable[[Problem], None]) -> None:
        super().__init__(logging.ERROR)
        self._on_problem = on_problem

    def emit(self, record: logging.LogRecord) -> None:
        cause = (record.exc_info[1] if record.exc_info else None) or RuntimeError(record.getMessage())
        kind = type(cause).__name__
        self._on_problem(Problem(f"a defect in rtp met a request: {kind}: {one_line(cause)}", "gateway", logging.ERROR))
