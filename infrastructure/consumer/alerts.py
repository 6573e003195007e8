"""A consumer of alerts to start from. It handles each alert once, in order per protocol and chain. Replace `react`.

The contract: an alert may come again, so a known event `id` is passed over (here a DynamoDB table remembers ids for a
day). An alert that is returned as failed comes again, together with all later alerts of its group; other groups go on.
After five receives the alert is in the dead-letter queue.
"""

from __future__ import annotations

import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="alerts")
# A group whose alert failed stops at it; other groups go on.
processor = SqsFifoPartialProcessor(skip_group_on_error=True)
_config = IdempotencyConfig(event_key_jmespath="id", expires_after_seconds=86_400)


def react(event: dict[str, Any]) -> None:
    """React to an alert: send a page, a post, an order. Raise an error to have the alert come again."""
    data = event["data"]
    logger.info(
        f"{data['kind']} of {data['entity']} on {data['chain']}: {data['previous']} -> {data['current']}",
        extra={"id": event["id"], "reason": data["reason"], "severity": data["severity"]},
    )


@cache
def _once() -> Callable[..., None]:
    table = DynamoDBPersistenceLayer(table_name=os.environ["SEEN_TABLE"])

    once: Callable[..., None] = idempotent_function(
        react, data_keyword_argument="event", persistence_store=table, config=_config
    )
    return once


def _take(record: SQSRecord) -> None:
    _once()(event=json.loads(record.body))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Take a batch. Returns the messages that must come again."""
    _config.register_lambda_context(context)
    return process_partial_response(event=event, record_handler=_take, processor=processor, context=context)
