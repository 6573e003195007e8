"""The Lambda: batches of DynamoDB Streams, and a schedule's ticks. The handler is `…lambda_function.handler`.

`RTP_CONFIG` names the settings file, by default rtp.yaml beside the code; else the environment is as for `rtp run`.
`RTP_REDIS_SECRET` names a secret of Secrets Manager that holds the password of `RTP_REDIS_URL`.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from core.handler.build import build_processor
from core.sinks.settings import load_settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from core.handler.batch import BatchProcessor
    from core.handler.settlement import BatchOutcome

logger = Logger(service="rtp", log_uncaught_exceptions=True)
metrics = Metrics(namespace="rtp", service="handler")
_MOST_CAUSES_LOGGED = 10


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Process a batch or a schedule's tick. Returns the first record that must come again, where there is one."""
    if "Records" not in event:
        _tell(_processor().tick())
        return {"batchItemFailures": []}
    outcome = _processor().process(event["Records"])
    metrics.add_metric("Records", MetricUnit.Count, len(event["Records"]))
    _tell(outcome)
    failures = [] if outcome.failed is None else [{"itemIdentifier": outcome.failed}]
    return {"batchItemFailures": failures}  # type: ignore[typeddict-item]


@cache
def _processor() -> BatchProcessor:
    root = os.environ.get("LAMBDA_TASK_ROOT", ".")
    path = Path(os.environ.get("RTP_CONFIG") or Path(root, "rtp.yaml"))
    environ = dict(os.environ)
    if secret := environ.get("RTP_REDIS_SECRET"):
        environ["RTP_REDIS_URL"] = _with_password(environ["RTP_REDIS_URL"], secret)
    return build_processor(load_settings(path, environ=environ, options={}))


def _with_password(url: str, secret: str) -> str:
    """The address `rediss://user@host` with the password that the secret holds, as `{"password": ...}`."""
    from aws_lambda_powertools.utilities.parameters import get_secret  # noqa: PLC0415 - it imports boto3

    held: Any = get_secret(secret, transform="json")
    return url.replace("@", f":{quote(held['password'], safe='')}@", 1)


def _tell(outcome: BatchOutcome) -> None:
    metrics.add_metric("Events", MetricUnit.Count, len(outcome.events))
    metrics.add_metric("DeadLetters", MetricUnit.Count, len(outcome.dead_letters))
    metrics.add_metric("FailedBatches", MetricUnit.Count, int(outcome.failed is not None))
    metrics.add_metric("SetAside", MetricUnit.Count, outcome.set_aside.total())
    for cause in outcome.set_aside:
        logger.warning("set aside", extra={"reason": outcome.about_set_aside(cause)})
    for letter in outcome.dead_letters[:_MOST_CAUSES_LOGGED]:
        logger.error("dead letter", extra={"reason": letter.reason})
    for error in outcome.causes[:_MOST_CAUSES_LOGGED]:
        logger.error("records come again", extra={"cause": error, "from": outcome.failed})
    for trouble in outcome.troubles[:_MOST_CAUSES_LOGGED]:
        logger.error("alerts or dead letters wait", extra={"cause": trouble})
    logger.info("batch", extra={"events": len(outcome.events), "notes": dict(outcome.notes)})
