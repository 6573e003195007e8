"""The function that a mapping invokes: a batch processor for each process that Lambda would have, warm or new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.handler.batch import BatchProcessor
    from core.handler.outcome import BatchOutcome


class LambdaFunction:
    """Answers like the Lambda. A process whose invocation ends with an error is never used again. For threads."""

    def __init__(self, start: Callable[[], BatchProcessor], note: Callable[[BatchOutcome], object] = lambda _: None):
        self._start, self._note = start, note
        self._idle: list[BatchProcessor] = []

    def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
        """Process a batch or a tick."""
        try:
            processor = self._idle.pop()
        except IndexError:
            processor = self._start()
        outcome = processor.process(event["Records"]) if "Records" in event else processor.tick()
        self._note(outcome)
        self._idle.append(processor)
        return {"batchItemFailures": [] if outcome.failed is None else [{"itemIdentifier": outcome.failed}]}

    def end(self) -> None:
        """End the processes that wait for the next invocation."""
        self._idle.clear()
