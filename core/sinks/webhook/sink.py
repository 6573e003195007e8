"""WebhookSink: events as HTTP requests, in order per partition key."""

from __future__ import annotations

import re
import ssl
import time
from base64 import b64encode
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from core.errors import SinkUnavailable
from core.leading.epoch import UNFENCED, Epoch
from core.services.daemon_pool import DaemonPool
from core.sinks import Sink
from core.sinks.lanes import SendResults, in_lanes
from core.sinks.webhook.answers import Meaning, meaning_of, reason_of, retry_after_seconds, wish_of
from core.sinks.webhook.connection import ABANDONED, NoAnswer, WebhookConnection
from core.sinks.webhook.requests import MODES, in_batches, signature
from core.sinks.webhook.spellings import any_spelling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.sinks import Outcome
    from core.sinks.webhook.connection import Answer
    from core.sinks.webhook.settings import Webhook
    from rtp_client.event import Event

_Result = TypeVar("_Result")
POLL_INTERVAL_SECONDS = 0.01
# Handed over at a time, for each request under way: so many answers are waited for at most before rtp looks up again.
_REQUESTS_IN_A_ROW = 10
_CUT_INTERVAL_SECONDS = 0.2
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
        self._at_once = settings.batch_size if settings.mode == "batched" else 1
        self.batch_size = settings.concurrency * max(_REQUESTS_IN_A_ROW, self._at_once)
        self._request_of = MODES[settings.mode]
        self._signing_secrets = settings.secrets
        self._headers = {"User-Agent": "rtp", **settings.headers, **_basic_authorization(settings.url)}
        self._hidden = any_spelling(_secrets_of(settings))
        tls = ssl.create_default_context() if settings.url.startswith("https:") else None
        self._connections = [
            WebhookConnection(settings.url, settings.timeout_seconds, tls) for _ in range(settings.concurrency)
        ]
        self._senders = DaemonPool(settings.concurrency, name=f"rtp-{name}-send")
        self._is_abandoned = False
        self._asked: SinkUnavailable | None = None  # the answer that asked for the longest silence

    def open(self) -> None:
        """Ask for OPTIONS, which posts nothing; any answer will do. Raises SinkUnavailable."""
        try:
            answers = self._results([self._senders.submit(self._connections[0].ask, "OPTIONS", b"", self._headers)])
        except NoAnswer as error:
            raise self._unavailable(str(error)) from None
        if not answers:
            raise self._unavailable(ABANDONED)

    def deliver(self, events: Sequence[Event]) -> Outcome:
        """Post the events. A group whose event failed gets nothing more this time; others go on."""
        if (asked := self._silence) is not None:
            raise asked.with_traceback(None)
        tally = SendResults()
        for lane in self._send_lanes(in_lanes(events, len(self._connections), groups_in_turn=self._at_once)):
            tally.add(lane)
        if self._is_abandoned and tally.broken is None:
            tally.note_broken(self._unavailable(ABANDONED), ABANDONED)
        if tally.broken is not None and not tally.has_results:
            raise tally.broken
        return tally.outcome(events)

    def abandon(self) -> bool:
        self._is_abandoned = True
        for connection in self._connections:
            connection.abandon()
        return True

    def close(self) -> None:
        self._senders.shutdown(wait=not self._is_abandoned)
        for connection in self._connections:
            connection.close()

    def _send_lanes(self, lanes: Sequence[Sequence[Event]]) -> list[SendResults]:
        return self._results(
            [
                self._senders.submit(self._send_lane, lane, connection)
                for lane, connection in zip(lanes, self._connections, strict=False)
            ]
        )

    def _results(self, sending: Sequence[Future[_Result]]) -> list[_Result]:
        # All of them, whatever one has come to: nothing may be under way when the next call begins.
        while wait(sending, _CUT_INTERVAL_SECONDS).not_done and not self._is_abandoned:
            for connection in self._connections:
                connection.cut_if_overdue()
        # An abandoned sink has no next call, and what cannot be cut may be under way still: a look-up of a name.
        wait(sending, _CUT_INTERVAL_SECONDS)
        return [one.result() for one in sending if one.done()]

    def _send_lane(self, events: Sequence[Event], connection: WebhookConnection) -> SendResults:
        tally = SendResults()
        self._send_in_turn(in_batches(events, self._at_once), connection, tally)
        return tally

    def _send_in_turn(
        self, batches: Sequence[Sequence[Event]], connection: WebhookConnection, tally: SendResults
    ) -> None:
        for batch in batches:
            if tally.broken is not None or self._silence is not None:
                return
            if events := [event for event in batch if event.partitionkey not in tally.failed]:
                self._send(events, connection, tally)

    def _send(self, events: Sequence[Event], connection: WebhookConnection, tally: SendResults) -> None:
        """Send what goes in one request: the webhook takes all of it or nothing."""
        request = self._request_of(events)
        headers = {**self._headers, **request.headers, **signature(request, int(time.time()), self._signing_secrets)}
        # A webhook cannot refuse an epoch of before, so this must be the last thing before the call (docs/standby.md).
        self.epoch.check()
        try:
            answer = connection.ask("POST", request.body, headers)
        except NoAnswer as error:
            tally.note_broken(self._unavailable(str(error)), str(error))
            return
        self._note(answer, events, connection, tally)

    def _note(self, answer: Answer, events: Sequence[Event], connection: WebhookConnection, tally: SendResults) -> None:
        meaning = meaning_of(answer.status)
        if meaning is Meaning.TAKEN:
            tally.note_sent(events)
            return
        reason = reason_of(answer, self._hidden)
        if meaning is Meaning.FAILED:
            tally.note_failed(events, reason)
        elif meaning in (Meaning.BUSY, Meaning.MISDIRECTED):
            refusal = self._asking_for_time(answer, reason, is_service_down=meaning is Meaning.BUSY)
            if self._asked is None or refusal.silent_until > self._asked.silent_until:
                self._asked = refusal
            tally.note_broken(refusal, reason)
        elif len(events) == 1:
            tally.note_refused(events[0], reason, is_final=meaning is Meaning.DEAD)
        else:
            # One of them is to blame, and its neighbours must not suffer.
            self._send_in_turn([[event] for event in events], connection, tally)

    @property
    def _silence(self) -> SinkUnavailable | None:
        """The answer that asked for a silence which is not over."""
        return self._asked if self._asked is not None and self._asked.silent_until > time.monotonic() else None

    def _asking_for_time(self, answer: Answer, reason: str, *, is_service_down: bool) -> SinkUnavailable:
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
