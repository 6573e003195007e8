"""`rtp notify` at work, from a queue or the stream to real HTTP servers that answer as services do."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import redis

from core.notify.choice.choose import Rules
from core.notify.figures import NotifyTally
from core.redis_names import NOTIFY_DEAD
from core.settings.notify import Audience
from core.sinks.registry import destinations
from rtp_client.keys import STREAM
from tests.eventually import eventually
from tests.queue_drain import drain
from tests.samples import make_event
from tests.told import QUICK, notifying, posted_to, told
from tests.webhook_server import Posted, Reply, WebhookServer, webhook_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_sqs import SQSClient

    from core.notify.outbox.standing import Standing
    from core.problem import Problem
    from core.settings.models import Settings
    from core.sinks import Sink
    from rtp_client.event import Event
    from tests.conftest import SqsQueue

ENTITIES = [f"token{number}" for number in range(5)]


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook_server() as one:
        yield one


@pytest.fixture
def people(settings: Settings) -> Settings:
    """Two audiences: everybody hears of everything, and boss of what is critical."""
    boss = Audience.model_validate({"name": "boss", "to": "json://boss", "match": {"severity": "critical"}})
    desk = Audience.model_validate({"name": "desk", "to": "json://desk"})
    return settings.model_copy(update={"notify": (desk, boss)})


def events(count: int, **columns: Any) -> list[Event]:
    return [make_event(number, ENTITIES[number % len(ENTITIES)], **columns) for number in range(1, count + 1)]


def sink_of(settings: Settings, name: str) -> Sink:
    (found,) = (one for one in destinations(settings) if one.sink == name)
    return found.make()


def send(settings: Settings, alerts: Sequence[Event]) -> None:
    """Into the queue, as `rtp run` does."""
    (destination,) = destinations(
        settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": None})})
    )
    sink = destination.make()
    sink.open()
    assert not sink.deliver(alerts).undelivered
    sink.close()


def by_entity(heard: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entity, event_id in heard:
        found.setdefault(entity, []).append(event_id)
    return found


def expected(alerts: Sequence[Event]) -> dict[str, list[str]]:
    return by_entity([(alert.data.entity, alert.id) for alert in alerts])


def heard(server: WebhookServer, path: str = "") -> dict[str, list[str]]:
    return by_entity(told([one.body for one in server.taken if one.path.endswith(path)]))


def at(server: WebhookServer, path: str) -> str:
    return f"http://127.0.0.1:{server.port}/{path}"


def test_every_alert_of_the_queue_is_told_once_and_in_order_to_whom_it_concerns(
    people: Settings, server: WebhookServer, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    ordinary = events(60)
    critical = [make_event(61, ENTITIES[0], severity="critical")]
    send(people, [*ordinary, *critical])
    tells = {"desk/1": posted_to(at(server, "desk")), "boss/1": posted_to(at(server, "boss"))}
    with notifying(people, tells) as notifier:
        eventually(lambda: notifier.state().standings["desk/1"].counts.told == 61 and notifier.is_idle(0.1))
    assert heard(server, "/desk") == expected([*ordinary, *critical])
    assert heard(server, "/boss") == expected(critical)
    assert drain(sqs_client, sqs_queue.url) == []


def test_a_queue_that_is_not_there_is_told_of_once_and_taken_from_when_it_is(
    people: Settings, server: WebhookServer, sqs_client: SQSClient
) -> None:
    problems: list[str] = []
    missing = people.model_copy(update={"sqs": people.sqs.model_copy(update={"queue": "not-there-yet.fifo"})})
    tells = {"desk/1": posted_to(at(server, "desk"))}
    with notifying(missing, tells, on_problem=lambda problem: problems.append(problem.text)):
        eventually(lambda: problems)
        sqs_client.create_queue(QueueName="not-there-yet.fifo", Attributes={"FifoQueue": "true"})
        eventually(lambda: len(problems) == 2)
    assert "find no queue not-there-yet.fifo" in problems[0]
    assert problems[1] == "queue not-there-yet.fifo: alerts are taken again"


def test_without_a_queue_the_stream_is_told_from_where_the_last_one_stood(
    people: Settings, server: WebhookServer
) -> None:
    tells = {"desk/1": posted_to(at(server, "desk")), "boss/1": posted_to(at(server, "boss"))}
    sink = sink_of(people, "redis")
    sink.open()
    sink.deliver([make_event(1, "before")])
    with notifying(people, tells, source="stream") as notifier:
        eventually(lambda: notifier.state().held == set(tells) and notifier.is_idle(0.5))
        sink.deliver([make_event(2, "while")])
        eventually(lambda: heard(server, "/desk"))
    sink.deliver([make_event(3, "between")])
    with notifying(people, tells, source="stream"):
        eventually(lambda: len(heard(server, "/desk")) > 1)
    sink.close()
    assert [entity for entity, _ in told([one.body for one in server.taken])] == ["while", "between"]


def test_a_stream_that_redis_has_lost_is_told_from_its_new_beginning(
    people: Settings, server: WebhookServer, redis_url: str
) -> None:
    tells = {"desk/1": posted_to(at(server, "desk"))}
    with redis.Redis.from_url(redis_url) as client, notifying(people, tells, source="stream"):
        eventually(lambda: client.exists(STREAM))
        eventually(lambda: client.xinfo_groups(STREAM))
        client.xadd(STREAM, {"event": make_event(1, "before").json_bytes})
        eventually(lambda: heard(server, "/desk"))
        pipeline = client.pipeline(transaction=True)
        pipeline.delete(STREAM)
        pipeline.xadd(STREAM, {"event": make_event(2, "after").json_bytes})
        pipeline.execute()
        eventually(lambda: len(heard(server, "/desk")) == 2)
    assert list(heard(server, "/desk")) == ["before", "after"]


def test_a_dead_service_delays_and_repeats_nothing_elsewhere_and_is_told_all_in_order_later(
    people: Settings, server: WebhookServer
) -> None:
    alerts = events(20, severity="critical")
    down = threading.Event()

    def reply(posted: Posted) -> Reply:
        return Reply(503) if posted.path.endswith("boss") and not down.is_set() else Reply()

    server.reply = reply
    send(people, alerts)
    tells = {"desk/1": posted_to(at(server, "desk")), "boss/1": posted_to(at(server, "boss"))}
    with notifying(people, tells) as notifier:
        eventually(lambda: notifier.state().standings["desk/1"].counts.told == 20)
        eventually(lambda: notifier.state().standings["boss/1"].failures_in_a_row > 2)
        assert notifier.state().standings["boss/1"].waiting == 20
        down.set()
        eventually(lambda: notifier.state().standings["boss/1"].counts.told == 20)
        assert notifier.state().standings["boss/1"].failures_in_a_row == 0
    assert heard(server, "/boss") == heard(server, "/desk") == expected(alerts)


def test_a_service_that_asks_for_time_is_left_alone_for_so_long(people: Settings, server: WebhookServer) -> None:
    alerts = events(3, severity="critical")
    seen: list[float] = []
    answers = iter([Reply(429, {"Retry-After": "1"})])

    def reply(_: Posted) -> Reply:
        seen.append(time.monotonic())
        return next(answers, Reply())

    server.reply = reply
    send(people, alerts)
    with notifying(people, {"boss/1": posted_to(at(server, "boss"))}, at_once=1) as notifier:
        eventually(lambda: notifier.state().standings["boss/1"].counts.told == 3)
    assert seen[1] - seen[0] >= 1
    assert heard(server) == expected(alerts)


def test_what_a_service_refuses_is_a_dead_letter_and_what_it_never_takes_while_it_takes_others_is_one_too(
    people: Settings, server: WebhookServer, redis_url: str
) -> None:
    problems: list[str] = []
    answers = {b"refused": Reply(400), b"never": Reply(500)}
    server.reply = lambda posted: next((answers[one] for one in answers if one in posted.body), Reply())
    send(people, [make_event(1, "refused"), make_event(2, "never"), make_event(3, "taken")])
    tally, tells = NotifyTally(["desk/1"]), {"desk/1": posted_to(at(server, "desk"))}

    def on_problem(problem: Problem) -> None:
        problems.append(problem.text)

    with notifying(people, tells, on_outcome=tally.observe, on_problem=on_problem) as notifier:

        def standing() -> Standing:
            return notifier.state().standings["desk/1"]

        # A try counts where the service has taken another alert since the first.
        eventually(lambda: standing().counts.failed)
        send(people, [make_event(4, "taken")])
        eventually(lambda: standing().counts.dead == 2 and standing().counts.told == 2)
        eventually(lambda: tally.counts()["desk/1"] == standing().counts)
    with redis.Redis.from_url(redis_url) as client:
        reasons = [fields[b"reason"].decode() for _, fields in client.xrange(NOTIFY_DEAD)]
    assert reasons[0] == "HTTP 400"
    assert reasons[1].startswith("given up after")
    assert reasons[1].endswith("HTTP 500")
    assert next(one for one in problems if "can never be told" in one) == (
        "desk/1: 1 alert can never be told: HTTP 400. Look at `rtp dlq list`"
    )


def test_of_a_digest_that_a_service_refuses_only_the_entity_that_is_to_blame_is_a_dead_letter(
    people: Settings, server: WebhookServer
) -> None:
    server.reply = lambda posted: Reply(400 if b"token3" in posted.body else 200)
    alerts = events(15)
    send(people, alerts)
    tells = {"desk/1": posted_to(at(server, "desk"))}
    with notifying(people, tells, rules=Rules(digest_seconds=1)) as notifier:
        eventually(lambda: notifier.state().standings["desk/1"].counts.dead == 3)
        eventually(lambda: notifier.state().standings["desk/1"].counts.told == 12)
    assert heard(server) == expected([one for one in alerts if one.data.entity != "token3"])


def test_several_share_the_destinations_and_take_over_what_one_leaves(people: Settings, server: WebhookServer) -> None:
    alerts = events(80, severity="critical")
    tells = {"desk/1": posted_to(at(server, "desk")), "boss/1": posted_to(at(server, "boss"))}
    quick = people.model_copy(update={"run": people.run.model_copy(update={"leader_lease_seconds": 0.5})})
    with notifying(quick, tells) as first:
        eventually(lambda: len(first.state().held) == 2)
        with notifying(quick, tells) as second:
            eventually(lambda: len(first.state().held) == len(second.state().held) == 1)
            send(people, alerts[:40])
            eventually(lambda: sum(one.counts.told for one in first.state().standings.values()) == 80)
        send(people, alerts[40:])
        eventually(lambda: sum(one.counts.told for one in first.state().standings.values()) == 160)
    assert heard(server, "/desk") == heard(server, "/boss") == expected(alerts)


def test_what_waits_for_too_long_behind_a_message_that_fails_is_given_up_with_it(
    people: Settings, server: WebhookServer
) -> None:
    server.reply = lambda _: Reply(503)
    send(people, [make_event(number) for number in (1, 2, 3)])
    impatient = replace(QUICK, give_up_after_seconds=0.3)
    tally, tells = NotifyTally(["desk/1"]), {"desk/1": posted_to(at(server, "desk"))}
    with notifying(people, tells, patience=impatient, at_once=1, on_outcome=tally.observe) as notifier:
        eventually(lambda: tally.counts()["desk/1"].dead == 3)
        standing = notifier.state().standings["desk/1"]
    assert standing.waiting == 0
    assert tally.counts()["desk/1"] == standing.counts
