"""Consumers of the alert queue, in a process of their own."""

from __future__ import annotations

from core.services.receiving_client import receiving_client
from core.services.sqs_client import sqs_client
from loadtests.scenarios.processes.child import Orders, run
from loadtests.scenarios.processes.commit_times import CommitTimes
from loadtests.scenarios.processes.event_receiver import EventReceiver
from loadtests.scenarios.processes.tick import Recorder
from loadtests.shared.sqs_consumer import SqsConsumer

# To take each message as it comes would cost endpoint and consumers a request for each; the wait is in the latency.
_CONSUMERS = 2
_GATHER_SECONDS = 0.015


def main() -> None:
    """Find the queue, say so, and receive until told to stop. Alerts of somebody else's data go back."""
    orders, recorder = Orders(), Recorder()
    plan = orders.plan
    settings = plan.settings.sqs
    url = sqs_client(settings).get_queue_url(QueueName=settings.queue or "")["QueueUrl"]
    client = receiving_client(settings)

    def tell(error: Exception) -> None:
        orders.say({"incident": f"the load test's consumer was not answered: {error}"})

    with CommitTimes(plan, "sqs", recorder) as commits:
        start_time = orders.wait_for_start()
        receiver = EventReceiver(
            *("sqs", recorder),
            start_time=start_time,
            clock_ahead_seconds=plan.clock_ahead_seconds,
            on_arrival=commits.note,
        )
        consumer = SqsConsumer(
            [client] * _CONSUMERS, url, receiver.receive, on_failure=tell, gather_seconds=_GATHER_SECONDS
        )
        consumer.start()
        orders.report(recorder)
        consumer.stop()
    orders.say({"tick": recorder.take().encoded()})
    orders.say({"receiver": "sqs", "arrived": vars(receiver.arrivals.arrived())})


if __name__ == "__main__":
    run(main)
