"""The Lambda behind the queues of alerts: what `rtp notify` does, with each batch and with a schedule's ticks.

The handler is `core.notify.serverless.lambda_function.handler`. Settings and environment are as for `rtp notify`.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from core.errors import RtpError, SettingsError, SinkUnavailable
from core.notify.figures import NOTIFY_TICKS
from core.notify.serverless.function import NotifyFunction
from core.services.xray import subsegment
from core.sinks.settings import packaged_settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from core.problem import Problem

logger = Logger(service="rtp-notify")
_BATCH_SECONDS = 10.0
_LAST_SECONDS = 12.0
"""Of an invocation: for messages that are under way, and for what came of them."""


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Take a queue's batch, and tell what is due; or, at a schedule's tick, what waits for a time.

    A batch is in the outboxes as a whole, or comes again as a whole. Nothing that comes of telling makes it come again.
    """
    records = event.get("Records")
    with subsegment("rtp notify tick" if records is None else "rtp notify batch") as notes:
        notes["records"] = len(records or ())
        left_seconds = context.get_remaining_time_in_millis() / 1000 - _LAST_SECONDS
        if records is None:
            _tick(left_seconds)
            return {"batchItemFailures": []}
        return {"batchItemFailures": _batch(records, left_seconds)}


def _batch(records: list[dict[str, Any]], left_seconds: float) -> list[Any]:
    function = _function()
    try:
        function.take([record["body"] for record in records])
    except SinkUnavailable as error:
        logger.error("alerts come again", extra={"cause": str(error), "alerts": len(records)})  # noqa: TRY400
        return [{"itemIdentifier": record["messageId"]} for record in records]
    try:
        function.tell(seconds=min(_BATCH_SECONDS, left_seconds), ahead_seconds=0, last_seconds=_LAST_SECONDS / 2)
        function.note()
    except RtpError as error:  # the tick ends with it, which is an alarm
        logger.error("alerts wait", extra={"cause": str(error)})  # noqa: TRY400
    return []


def _tick(left_seconds: float) -> None:
    function = _function()
    function.note([NOTIFY_TICKS.of(1)])
    # What is due later than that is the next tick's.
    function.tell(seconds=left_seconds, ahead_seconds=left_seconds, last_seconds=_LAST_SECONDS / 2)
    function.note(at_once=True)


@cache
def _function() -> NotifyFunction:
    return NotifyFunction(packaged_settings(os.environ), os.environ, on_problem=_tell_problem, write=_write)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _tell_problem(problem: Problem) -> None:
    tell = logger.info if problem.level <= logging.INFO else logger.warning
    tell(problem.text, extra=dict(problem.facts))


def _start() -> None:
    """Make what the first batch needs. A settings error ends the start: no batch is to blame."""
    try:
        _function()
    except SettingsError as error:
        for line in str(error).splitlines():
            logger.critical("the function cannot start", extra={"problem": line})
        raise


if "LAMBDA_TASK_ROOT" in os.environ:
    _start()
