"""How far the pegged entities are off their pegs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.json import Decoder

from core.detection.peg import distance_bps
from core.detection.report import amount_text
from core.gateway.rest.documents import PegDocument
from core.inspection.pegs import Pegged
from core.settings.peg import Peg
from core.settings.rules import rule_for
from rtp_client.event import Reason, format_time

if TYPE_CHECKING:
    from core.settings.models import Settings
    from rtp_client.event import Event


def pegged_kinds(settings: Settings) -> list[str]:
    """The kinds of which an entity has a peg."""
    return sorted(
        {
            watch.kind
            for watch in settings.watches.values()
            if watch.has_value and any(getattr(source, "peg", None) for source in watch.rule_sources)
        }
    )


class _Told(Struct, frozen=True):
    """Of an event, which watch has raised it."""

    source: str


class PeggedValue(Struct, frozen=True):
    """What is read of an entry."""

    kind: str
    chain: str
    entity: str
    value: str | None
    as_of: str
    is_deleted: bool
    event: _Told | None


_DECODER = Decoder(PeggedValue)
Pegs = Mapping[Pegged, tuple[PeggedValue, Peg]]


def find_pegs(settings: Settings, entries: Iterable[bytes]) -> Pegs:
    """The entities that have a peg, of those with these entries in JSON."""
    found = {}
    for entry in map(_DECODER.decode, entries):
        if entry.is_deleted:
            continue
        for name in _watches_of(settings, entry):
            watch = settings.watches[name]
            peg = rule_for(watch, entry.chain, entry.entity).peg if watch.has_value else None
            if peg is not None:
                found[Pegged(name, entry.chain, entry.entity)] = entry, peg
                break
    return found


def _watches_of(settings: Settings, entry: PeggedValue) -> list[str]:
    """The watches that may have told of it: the one that its event is of, where it has one."""
    names = [name for name, watch in settings.watches.items() if watch.kind == entry.kind]
    if len(names) == 1 or entry.event is None:
        return names
    told = entry.event.source.rpartition("/")[2]
    return [told] if told in names else names


def peg_documents(pegs: Pegs, off_since: Mapping[Pegged, datetime]) -> list[PegDocument]:
    """All of them, the one furthest off first."""
    documents = [_document(entry, peg, off_since.get(one)) for one, (entry, peg) in pegs.items()]
    return sorted(
        documents, key=lambda one: (-Decimal(one.distance_bps or 0).copy_abs(), one.kind, one.chain, one.entity)
    )


def _document(entry: PeggedValue, peg: Peg, off_since: datetime | None) -> PegDocument:
    return PegDocument(
        kind=entry.kind,
        chain=entry.chain,
        entity=entry.entity,
        target=amount_text(peg.value) or "",
        deviation_bps=amount_text(peg.deviation_bps) or "",
        value=entry.value,
        distance_bps=amount_text(distance_bps(None if entry.value is None else Decimal(entry.value), peg)),
        off_since=None if off_since is None else format_time(off_since),
        as_of=entry.as_of,
    )


def off_since_by_events(pegs: Pegs, events: Iterable[Event]) -> dict[Pegged, datetime]:
    """Where nobody else tells: since the last `depeg` that no `repeg` has followed, of events in their order."""
    by_owner = {(entry.kind, entry.chain, entry.entity): one for one, (entry, _) in pegs.items()}
    off: dict[Pegged, datetime] = {}
    for event in events:
        one = by_owner.get((event.data.kind, event.data.chain, event.data.entity))
        if one is None:
            continue
        if event.data.reason in {Reason.DEPEG, Reason.ESCALATED}:
            off[one] = datetime.fromisoformat(event.data.off_since or event.data.changed_at)
        elif event.data.reason in {Reason.REPEG, Reason.DELETED}:
            off.pop(one, None)
    return off
