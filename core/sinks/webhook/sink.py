"""WebhookSink: events as HTTP requests, in order per partition key."""

from __future__ import annotations

import re
import ssl
import time
from base64 import b64encode
from operator import attrgetter
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from core.errors import SinkUnavailable
from core.leading.epoch import UNFENCED, Epoch
from core.sinks import Sink
from core.sinks.groups import BatchForm
from core.sinks.lanes import Lanes
from core.sinks.send_results import SendResults
from core.sinks.webhook.answers import Meaning, meaning_of, reason_of, retry_after_seconds, wish_of
from core.sinks.webhook.connection import NoAnswer, WebhookConnection
from core.sinks.webhook.connections import WebhookConnections
from core.sinks.webhook.requests import BATCH_BYTES, MODES, signature, size_in_batch
from rtp_client.spellings import any_spelling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.sinks import Outcome
    from core.sinks.webhook.connection import WebAnswer
    from core.sinks.webhook.settings import Webhook
    from rtp_client.event import Event

POLL_INTERVAL_SECONDS = 0.01
# Read at a time, for each request under way.
_REQUESTS_IN_A_ROW = 10
_SHORTEST_PART = 4


class WebhookSink(Sink):
    """Posts events, several groups at a time, and each group's in order.

    `service` is its own, with a circuit breaker of its own: another webhook is another server.
    """

    def __init__(self, settings: Webhook, *, name: str = "webhook") -> None:
        self.name = name
        self.service = f"Webhook {name.partition(':')[2]}".rstrip()
        self.address = origin(settings.url)
        self.poll_interval_seconds = POLL_INTERVAL_SECONDS
        self.epoch: Epoch = UNFENCED
        at_once = settings.batch_size if settings.mode == "batched" else 1
        self.batch_size = settings.concurrency * max(_REQUESTS_IN_A_ROW, at_once)
        self._request_of = MODES[settings.mode]
        self._signing_secrets = settings.secrets
        self._headers = {"User-Agent": "rtp", **settings.headers, **_basic_authorization(settings.url)}
        self._hidden = any_spelling(_secrets_of(settings))
        tls = ssl.create_default_context() if settings.url.startswith("https:") else None
        self._connections = WebhookConnections(
            [WebhookConnection(settings.url, settings.timeout_seconds, tls) for _ in range(settings.concurrency)],
            name=name,
        )
        # A webhook takes all of a batch or nothing of it.
        form = BatchForm(most_events=at_once, most_of_a_group=at_once, most_bytes=BATCH_BYTES, size_of=size_in_batch)
        self.handover: Lanes = Lanes(self._send_batch, form, most=settings.concurrency, name=name)
        self._asked: SinkUnavailable | None = None  # the answer that asked for the longest silence

    def open(self) -> None:
        """Ask for OPTIONS, which posts nothing; any answer will do. Raises SinkUnavailable."""
        try:
            self._connections.ask_apart("OPTIONS", b"", self._headers)
        except NoAnswer as error:
            raise self._unavailable(str(error)) from None

    def deliver(self, events: Sequence[Event]) -> Outcome:
        """Post the events. A group whose event failed gets nothing more this time; others go on."""
        return self.handover.deliver(events)

    def abandon(self) -> bool:
        self._connections.abandon()
        self.handover.abandon()
        return True

    def close(self) -> None:
        self.handover.close()
        self._connections.close()

    def _send_batch(self, events: Sequence[Event]) -> Outcome:
        """Post a batch that a lane has taken."""
        if (asked := self._silence) is not None:
            raise asked.with_traceback(None)
        results = SendResults()
        self._send(sorted(events, key=attrgetter("sequence")), results)
        if results.broken is not None and not results.has_results:
            raise results.broken
        return results.outcome(events)

    def _send_singly(self, events: Sequence[Event], results: SendResults) -> None:
        for event in events:
            if results.broken is not None or self._silence is not None:
                return
            if event.partitionkey not in results.failed:
                self._send([event], results)

    def _send(self, events: Sequence[Event], results: SendResults) -> None:
        """Send what goes in one request: the webhook takes all of it or nothing."""
        request = self._request_of(events)
        headers = {**self._headers, **request.headers, **signature(request, int(time.time()), self._signing_secrets)}
        try:
            # A webhook cannot refuse an epoch of before, so it is asked for last before each request
            # (docs/explanation/standby.md).
            answer = self._connections.ask("POST", request.body, headers, check=self.epoch.check)
        except NoAnswer as error:
            results.note_broken(self._unavailable(str(error)), str(error))
            return
        self._note(answer, events, results)

    def _note(self, answer: WebAnswer, events: Sequence[Event], results: SendResults) -> None:
        meaning = meaning_of(answer.status)
        if meaning is Meaning.TAKEN:
            results.note_sent(events)
            return
        reason = reason_of(answer, self._hidden)
        if meaning is Meaning.FAILED:
            results.note_failed(events, reason)
        elif meaning in (Meaning.BUSY, Meaning.MISDIRECTED):
            refusal = self._asking_for_time(answer, reason, is_service_down=meaning is Meaning.BUSY)
            if self._asked is None or refusal.silent_until > self._asked.silent_until:
                self._asked = refusal
            results.note_broken(refusal, reason)
        elif len(events) == 1:
            results.note_refused(events[0], reason, is_final=meaning is Meaning.DEAD)
        else:
            # One of them is to blame, and its neighbours must not suffer.
            self._send_singly(events, results)

    @property
    def _silence(self) -> SinkUnavailable | None:
        """The answer that asked for a silence which is not over."""
        return self._asked if self._asked is not None and self._asked.silent_until > time.monotonic() else None

    def _asking_for_time(self, answer: WebAnswer, reason: str, *, is_service_down: bool) -> SinkUnavailable:
        seconds = retry_after_seconds(answer, time.time())
        return SinkUnavailable(
            self.service,
            self.address,
            reason,
            is_service_down=is_service_down,
            what=wish_of(answer.status, seconds) if is_service_down else "",
            silent_until=time.monotonic() + seconds if seconds else 0.0,
        )

    def _unavailable(self, cause: str) -> SinkUnavailable:
        return SinkUnavailable(self.service, self.address, cause)


def origin(url: str) -> str:
    """The address as far as people may see it: what is behind the host may be a secret."""
    address = urlsplit(url)
    host = f"[{address.hostname}]" if ":" in (address.hostname or "") else address.hostname
    return f"{address.scheme}://{host}" + (f":{address.port}" if address.port else "")


def _basic_authorization(url: str) -> dict[str, str]:
    address = urlsplit(url)
    if address.username is None:
        return {}
    credentials = f"{unquote(address.username)}:{unquote(address.password or '')}"
    return {"Authorization": f"Basic {b64encode(credentials.encode()).decode()}"}


def _secrets_of(settings: Webhook) -> set[str]:
    """What an answer may repeat and nobody should see."""
    behind_the_host = settings.url.partition("://")[2].replace(urlsplit(settings.url).hostname or "", "", 1)
    keys = {secret.removeprefix("whsec_").rstrip("=") for secret in settings.secrets}
    texts = {*settings.secrets, *keys, *settings.headers.values(), *_basic_authorization(settings.url).values()}
    parts = {*re.split(r"[/?&=:;@]", behind_the_host), *(text.rpartition(" ")[2] for text in texts)}  # `Bearer <token>`
    parts |= set(map(unquote, parts))
    return texts | {part for part in parts if len(part) >= _SHORTEST_PART}
