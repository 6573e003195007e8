"""Items in a watch's words, and records of a DynamoDB stream as changes of the watch's entities."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from core.detection.state import Sample
from core.detection.testimony import Testimony
from core.errors import EventRejected, SettingsError
from core.handler.attributes import attribute_at, confidence_of, name_of, number_of, text_of, time_of
from core.handler.change import Change
from core.handler.record import arrival_of, event_prefix, images_of, is_expired, position_of
from core.handler.where import item_filter
from core.settings.watches import Constant
from rtp_client.attribute_json import json_of
from rtp_client.errors import one_line
from rtp_client.event import Reason

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from decimal import Decimal

    from core.detection.detector import Key
    from core.handler.change import RecordPlace
    from core.handler.where import ItemFilter
    from core.settings.dynamodb import AttributePath
    from core.settings.models import Settings
    from core.settings.watches import Watch
    from rtp_client.event import DeletedBy

# What a record raises that is not made as DynamoDB makes records. Such a record must not stop the shard for a day.
_NONSENSE = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)


class Image(NamedTuple):
    """An item in a watch's words, as it was at some moment."""

    key: Key
    sample: Sample
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class WatchedTable:
    """One watch as it sees a DynamoDB table: the attribute for each part, or the constant in its place."""

    name: str
    watch: Watch
    chain: AttributePath | Constant
    entity: AttributePath | Constant
    value: AttributePath | None
    changed_at: AttributePath | None
    confidence: AttributePath | None
    provenance: AttributePath | None
    source: AttributePath | None
    watched: Mapping[str, AttributePath]
    items: ItemFilter | None
    ignores_ttl: bool

    @property
    def is_history(self) -> bool:
        """Whether each item is a sample, not an entity."""
        return self.watch.is_history

    def changes(self, record: Mapping[str, Any], index: int, notes: Counter[str]) -> list[Change]:
        """The changes of this watch's entities. An item that keeps its key has renamed its entity.

        A record that is none of the watch's is noted. Raises EventRejected for a record that cannot be read.
        """
        try:
            return list(self._changes(record, index, notes))
        except _NONSENSE as error:
            raise EventRejected(
                f"this is no record of a DynamoDB stream ({type(error).__name__}: {one_line(error)})"
            ) from error

    def _changes(self, record: Mapping[str, Any], index: int, notes: Counter[str]) -> Iterator[Change]:
        position = position_of(record)
        arrived = arrival_of(record)
        new, old = (image if self._is_watched(image) else None for image in images_of(record))
        by_ttl = is_expired(record)
        if new is None and old is None:
            notes["elsewhere"] += 1
            return
        if by_ttl and self.ignores_ttl:
            notes["expired"] += 1
            return
        row = None if new is None else self._row(new, arrived)
        before = self._usable(old, arrived)
        gone = before or self._remains(old, arrived)
        prefix = event_prefix(record, position, self.name)
        item = record["dynamodb"]["Keys"]
        make = _Maker(self.name, index, position, prefix, item, "ttl" if by_ttl else None)
        if not self.watch.has_value:
            yield from self._metadata(gone, row, arrived, make)
            return
        was = None if before is None or self.is_history else before.sample
        has_left = gone is not None and (row is None or gone.key != row.key)
        if gone is not None and row is not None and has_left and not self.is_history:
            yield make(row.key, "sample", row.sample, before=was, had_before=True, former=gone.key)
            return
        if gone is not None and has_left and not self.is_history:
            yield make(gone.key, "deleted", _at(gone.sample, arrived), before=was, had_before=True)
        if row is not None:
            had_before = old is not None and not has_left
            yield make(row.key, "sample", row.sample, before=was if had_before else None, had_before=had_before)

    def _is_watched(self, image: Mapping[str, Any] | None) -> bool:
        return image is not None and (self.items is None or self.items.holds(image))

    def _metadata(self, before: Image | None, row: Image | None, arrived: datetime, make: _Maker) -> Iterator[Change]:
        if before is not None and row is None:
            fields = _differences(before.fields, {})
            yield make(before.key, "metadata", _at(before.sample, arrived), reason=Reason.REMOVED, fields=fields)
        if row is None:
            return
        fields = _differences({} if before is None else before.fields, row.fields)
        former = None if before is None or before.key == row.key else before.key
        reason = Reason.ADDED if before is None else Reason.CHANGED
        if before is None or former or fields:
            yield make(row.key, "metadata", row.sample, reason=reason, fields=fields, row=row.fields, former=former)

    def read(self, item: Mapping[str, Any], read_at: datetime) -> Image | None:
        """What the table holds, in the watch's words; None for what is not the watch's.

        Raises EventRejected for what cannot be used.
        """
        try:
            return self._row(item, read_at) if self._is_watched(item) else None
        except _NONSENSE as error:
            raise EventRejected(f"this is no item ({type(error).__name__}: {one_line(error)})") from error

    def image_of(self, item: Mapping[str, Any], read_at: datetime) -> Image | None:
        """The same; None, too, for what cannot be used."""
        with suppress(EventRejected):
            return self.read(item, read_at)
        return None

    def _usable(self, image: Mapping[str, Any] | None, arrived: datetime) -> Image | None:
        """The old image; None where it cannot be used, which was reported when it was the new image."""
        try:
            return None if image is None else self._row(image, arrived)
        except EventRejected:
            return None

    def _remains(self, image: Mapping[str, Any] | None, arrived: datetime) -> Image | None:
        """What can be read of such an old image, as it may be gone now; None where its key cannot be."""
        if image is None:
            return None
        try:
            key = self._key(image)
        except EventRejected:
            return None
        testimony = Testimony(
            arrived,
            self._if_readable(image, self.confidence, confidence_of),
            self._if_readable(image, self.provenance, text_of),
        )
        fields = {name: self._if_readable(image, path, json_of) for name, path in self.watched.items()}
        return Image(key, Sample(None, arrived, testimony, arrived), fields)

    def _row(self, image: Mapping[str, Any], arrived: datetime) -> Image:
        key = self._key(image)
        changed_at = self._read(image, self.changed_at, self._time_of) if self.changed_at else None
        if self.is_history and changed_at is None:
            missing = ".".join(self.changed_at or ())
            raise EventRejected(f"attribute {missing} is missing or out of range: a sample needs its time")
        value: Decimal | None = self._read(image, self.value, number_of) if self.value else None
        confidence = self._read(image, self.confidence, confidence_of) if self.confidence else None
        provenance = self._read(image, self.provenance, text_of) if self.provenance else None
        at = changed_at if self.is_history and changed_at is not None else arrived
        testimony = Testimony(changed_at or arrived, confidence, provenance)
        source = self._read(image, self.source, text_of) if self.source else None
        sample = Sample(value, at, testimony, arrived, source or "")
        fields = {name: self._read(image, path, json_of) for name, path in self.watched.items()}
        return Image(key, sample, fields)

    def _key(self, image: Mapping[str, Any]) -> Key:
        return self.watch.key_of(self._read(image, self.chain, name_of), self._read(image, self.entity, name_of))

    def _time_of(self, attribute: Mapping[str, Any] | None) -> datetime | None:
        return time_of(attribute, self.watch.zone)

    def _read(self, image: Mapping[str, Any], source: AttributePath | Constant, read: Callable[[Any], Any]) -> Any:
        if isinstance(source, Constant):
            return source.const
        try:
            return read(attribute_at(image, source))
        except EventRejected as error:
            raise EventRejected(f"attribute {'.'.join(source)} {error.message}") from None

    def _if_readable(self, image: Mapping[str, Any], source: AttributePath | None, read: Callable[[Any], Any]) -> Any:
        try:
            return None if source is None else self._read(image, source, read)
        except EventRejected:
            return None


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes a record's changes, each with an id of its own."""

    watch: str
    record: int
    position: RecordPlace
    prefix: str
    item: Mapping[str, Any]
    deletedby: DeletedBy | None

    def __call__(
        self,
        key: Key,
        what: Any,
        sample: Sample,
        *,
        before: Sample | None = None,
        had_before: bool = False,
        reason: Reason | None = None,
        fields: Mapping[str, Any] | None = None,
        row: Mapping[str, Any] | None = None,
        former: Key | None = None,
    ) -> Change:
        is_gone = what == "deleted" or reason is Reason.REMOVED
        return Change(
            watch=self.watch,
            key=key,
            what=what,
            event_id=f"{self.prefix}.gone" if is_gone else self.prefix,
            sample=sample,
            record=self.record,
            position=self.position,
            before=before,
            had_before=had_before,
            reason=reason,
            fields=fields,
            row=row,
            item=self.item,
            deletedby=self.deletedby,
            former=former,
        )


def watched_tables(settings: Settings) -> Mapping[str, Sequence[WatchedTable]]:
    """The watches of each DynamoDB table. Raises SettingsError where there is none."""
    if not settings.dynamodb.tables:
        raise SettingsError("no watch has a DynamoDB table", "Name them under dynamodb.tables, as default.yaml shows")
    found: dict[str, list[WatchedTable]] = {}
    for name, table in settings.dynamodb.tables.items():
        found.setdefault(table.table, []).append(_watched_table(settings, name))
    return found


def _watched_table(settings: Settings, name: str) -> WatchedTable:
    watch, table = settings.watches[name], settings.dynamodb.tables[name]
    columns, attributes = watch.columns, table.attributes
    return WatchedTable(
        name=name,
        watch=watch,
        chain=attributes.chain or _place(columns.chain),
        entity=attributes.entity_of(watch.kind) or _place(columns.entity),
        value=attributes.value or (watch.columns.value,) if watch.has_value else None,
        changed_at=attributes.changed_at or _path(columns.changed_at),
        confidence=attributes.confidence or _path(columns.confidence),
        provenance=attributes.provenance or _path(columns.provenance),
        source=(attributes.source or _path(watch.columns.source)) if watch.has_value else None,
        watched={column: attributes.watched.get(column, (column,)) for column in watch.watched},
        items=None if table.where is None else item_filter(table.where),
        ignores_ttl=table.on_ttl == "ignore",
    )


def _place(column: str | Constant) -> AttributePath | Constant:
    return column if isinstance(column, Constant) else (column,)


def _path(column: str | None) -> AttributePath | None:
    return None if column is None else (column,)


def _at(sample: Sample, moment: datetime) -> Sample:
    return replace(sample, at=moment, testimony=sample.testimony._replace(changed_at=moment))


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, Any] | None:
    names = new or old
    steps = ((name, old.get(name), new.get(name)) for name in names)
    # As JSON: in Python, true equals 1.
    changed = ((name, a, b) for name, a, b in steps if json.dumps(a, sort_keys=True) != json.dumps(b, sort_keys=True))
    return {name: {"previous": a, "current": b} for name, a, b in changed} or None
