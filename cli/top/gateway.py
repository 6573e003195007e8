"""What a board learns from a gateway: how the sinks do, what has a peg and is off it, and all about an entity."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from rich.console import Group

from cli.tables import facts, new_table, whole
from cli.top.market import EntityKey, Point, finite
from cli.top.sinks import RtpState, state_in
from cli.top.world import Details
from core.errors import RtpError, ServiceUnavailable
from core.settings.peg import Peg
from rtp_client.errors import one_line
from rtp_client.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TIMEOUT_SECONDS = 5.0
_HTTP = {"ws": "http", "http": "http", "wss": "https", "https": "https"}


class AskedGateway:
    """Asks a gateway over HTTP."""

    def __init__(self, url: str, token: str | None) -> None:
        parts = urlsplit(url)
        path = parts.path.rstrip("/").removesuffix("/v1/ws")
        self._base = urlunsplit((_HTTP[parts.scheme], parts.netloc, path, "", ""))
        self._token = token
        self._pegs: dict[EntityKey, Peg] = {}

    def looks(self) -> Iterator[RtpState]:
        """Rtp's state, again and again, with the pegs as they are by then."""
        while True:
            told = self._ask("/v1/status")
            pegs = {_key(peg): peg for peg in self._ask("/v1/pegs")["pegs"]}
            self._pegs = {key: _peg(p) for key, p in pegs.items()}
            state = state_in(told["status"] or {})
            yield RtpState(
                state.sinks,
                (*filter(None, [told["note"]]), *state.troubles),
                {key: datetime.fromisoformat(peg["off_since"]) for key, peg in pegs.items() if peg["off_since"]},
            )

    def peg_of(self, key: EntityKey) -> Peg | None:
        """The peg of an entity, as the gateway told it last."""
        return self._pegs.get(key)

    def details(self, key: EntityKey) -> Details:
        """All about an entity. Raises RtpError."""
        found = self._ask("/v1/entities/" + "/".join(quote(part, safe="") for part in key))
        values = [Point(at / 1000, value) for at, amount in found["series"] if (value := finite(amount)) is not None]
        parts = [facts(_facts(found)), *_events(found)]
        return Details(Group(*parts), values)

    def _ask(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            request = Request(self._base + path, headers=headers)  # noqa: S310  (its scheme is http or https)
            with urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except HTTPError as error:
            raise RtpError(f"the gateway at {redact(self._base)}: {_complaint(error)}") from error
        except (URLError, OSError, ValueError) as error:
            raise ServiceUnavailable("the gateway", redact(self._base), one_line(error)) from error


def _complaint(error: HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return one_line(error)


def _peg(told: Mapping[str, Any]) -> Peg:
    return Peg(value=Decimal(told["target"]), deviation_bps=Decimal(told["deviation_bps"]))


def _key(document: dict[str, Any]) -> EntityKey:
    return EntityKey(document["kind"], document["chain"], document["entity"])


def _facts(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if entry := found["entry"]:
        yield "value", f"{entry['value']}, as of {entry['as_of']} ({entry['source']})"
    if found["provenance"]:
        yield "provenance", f"{found['provenance']}, confidence {found['confidence']}"
    if watch := found["watch"]:
        yield "watch", f"{watch['name']} on {watch['table']}, judged by {watch['judged_by']}"
        if rule := watch["rule"]:
            yield "rule", whole(" ".join(rule["words"]))
        if baseline := watch["baseline"]:
            yield "baseline", f"{baseline['value']}, reported {baseline['reported_at']}"
        if levels := watch["levels"]:
            yield "fires", f"at {levels['fires_below']} and below, at {levels['fires_above']} and above"
        if conclusion := watch["conclusion"]:
            yield "conclusion", whole(conclusion["words"])
    if found["note"]:
        yield "note", whole(found["note"])


def _events(found: dict[str, Any]) -> Iterator[Any]:
    rows = [
        (
            *(data["detected_at"][:19].replace("T", " ") + "Z", data["previous"], data["current"]),
            *(data["change_pct"], data["reason"], data["severity"]),
        )
        for data in (event["data"] for event in found["events"])
    ]
    if rows:
        yield new_table("Last events", "detected", "previous", "current", "change %", "reason", "severity", rows=rows)
