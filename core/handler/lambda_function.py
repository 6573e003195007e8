"""The Lambda: batches of DynamoDB Streams, and a schedule's ticks. The handler is `…lambda_function.handler`.

`RTP_CONFIG` names the settings file, by default rtp.yaml beside the code; else the environment is as for `rtp run`.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from core.emf import emf_log
from core.errors import SettingsError
from core.handler.build import build_processor
from core.handler.figures import COLD_STARTS, figures_of, is_notable
from core.handler.recollection import about_lost
from core.handler.restored import after_restore
from core.handler.views import check_views
from core.services.xray import subsegment
from core.sinks.settings import packaged_settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from core.emf import EmfLog
    from core.handler.batch import BatchProcessor
    from core.handler.outcome import BatchOutcome
    from core.settings.models import Settings

logger = Logger(service="rtp")
_MOST_CAUSES_LOGGED = 10


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Process a batch or a schedule's tick. Returns the first record that must come again, where there is one."""
    records = event.get("Records")
    with subsegment("rtp tick" if records is None else "rtp batch") as notes:
        outcome = _processor().tick() if records is None else _processor().process(records)
        notes |= {"records": len(records or ()), "events": len(outcome.events), "failed": outcome.failed or ""}
    _tell(outcome, records=None if records is None else len(records))
    failures = [] if outcome.failed is None else [{"itemIdentifier": outcome.failed}]
    return {"batchItemFailures": failures}  # type: ignore[typeddict-item]


@cache
def _settings() -> Settings:
    return packaged_settings(os.environ)


@cache
def _processor() -> BatchProcessor:
    return build_processor(_settings(), reads_tables=True)


@cache
def _emf() -> EmfLog | None:
    return emf_log(_settings().emf, _write)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _tell(outcome: BatchOutcome, *, records: int | None) -> None:
    if emf := _emf():
        emf.note(figures_of(outcome, records=records), at_once=records is None or is_notable(outcome))
    if lost := about_lost(outcome):
        logger.error("baselines lost", extra={"cause": lost})
    for unread in outcome.unread[:_MOST_CAUSES_LOGGED]:
        logger.error("a table cannot be read", extra={"cause": unread})
    for cause in outcome.set_aside:
        logger.warning("set aside", extra={"reason": outcome.about_set_aside(cause)})
    for letter in outcome.dead_letters[:_MOST_CAUSES_LOGGED]:
        logger.error("dead letter", extra={"reason": letter.reason})
    for error in outcome.causes[:_MOST_CAUSES_LOGGED]:
        logger.error("records come again", extra={"cause": error, "from": outcome.failed})
    for trouble in outcome.troubles[:_MOST_CAUSES_LOGGED]:
        logger.error("alerts or dead letters wait", extra={"cause": trouble})
    # A line for each batch would cost more than the batch; the figures are CloudWatch's metrics.
    logger.debug("batch", extra={"events": len(outcome.events), "notes": dict(outcome.notes)})


def _start() -> None:
    """Make all that the first batch needs. A settings error ends the start: it is no poison batch."""
    try:
        _processor()
        check_views(_settings(), lambda problem: logger.warning("streams", extra={"problem": str(problem)}))
    except SettingsError as error:
        for line in str(error).splitlines():
            logger.critical("the function cannot start", extra={"problem": line})
        raise
    if emf := _emf():
        emf.note([COLD_STARTS.of(1)])


def _start_again() -> None:
    """Connections do not outlive a snapshot: the clients are made anew."""
    _processor.cache_clear()
    _processor()


if "LAMBDA_TASK_ROOT" in os.environ:
    after_restore(_start_again)
    _start()
