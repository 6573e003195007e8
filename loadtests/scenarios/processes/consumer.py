"""Consumers of the alert queue, in a process of their own. What they have received, they delete."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from core.services.sqs_client import sqs_client
from core.sinks.sqs.messages import BATCH_MESSAGES
from loadtests.scenarios.processes.child import Orders
from loadtests.scenarios.processes.receipt import Receipts
from loadtests.scenarios.processes.tick import Recorder

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_CONSUMERS = 8  # an answer has the messages of few groups: fewer consumers do not keep up with 1,000 a second
_WAIT_SECONDS = 1


def main() -> None:
    """Find the queue, say so, and receive until told to stop."""
    orders, recorder = Orders(), Recorder()
    plan = orders.plan
    settings = plan.settings.sqs
    clients = [sqs_client(settings) for _ in range(_CONSUMERS)]
    url = clients[0].get_queue_url(QueueName=settings.queue or "")["QueueUrl"]
    start_time = orders.wait_for_start()
    receipts = Receipts("sqs", recorder, start_time=start_time, clock_ahead_seconds=plan.clock_ahead_seconds)
    threads = [threading.Thread(target=_consume, args=(client, url, orders.stopping, receipts)) for client in clients]
    for thread in threads:
        thread.start()
    orders.report(recorder)
    for thread in threads:
        thread.join()
    orders.say({"tick": recorder.take().encoded()})
    orders.say({"receiver": "sqs", "ledger": receipts.ledger.encoded()})


def _consume(client: SQSClient, url: str, stopping: threading.Event, receipts: Receipts) -> None:
    while not stopping.is_set():
        answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=BATCH_MESSAGES, WaitTimeSeconds=_WAIT_SECONDS)
        received_at = time.time()
        ours: list[MessageTypeDef] = []
        others: list[MessageTypeDef] = []
        for message in answer.get("Messages", ()):
            (ours if receipts.note(message["Body"], received_at) else others).append(message)
        if ours:
            client.delete_message_batch(
                QueueUrl=url,
                Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(ours)],
            )
        if others:
            _give_back(client, url, others)


def _give_back(client: SQSClient, url: str, others: list[MessageTypeDef]) -> None:
    """Alerts of somebody else's data are for somebody else."""
    client.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[
            {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": 0} for i, m in enumerate(others)
        ],
    )


if __name__ == "__main__":
    main()
