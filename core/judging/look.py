"""A look to be taken at what a table holds of an entity, and what is known of its row besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from core.judging.entity import EntityKey
    from core.judging.sample import SampleRow


class Gone(NamedTuple):
    """A row that is gone: since when, by which transaction, what it said of itself, and of metadata, what it held."""

    at: datetime | None = None
    confidence: float | None = None
    provenance: str | None = None
    fields: str | None = None
    xid: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None


class Look(NamedTuple):
    """The samples that ask for it are the written ones, oldest first; `gone` is the row that was deleted last."""

    key: EntityKey
    written: Sequence[SampleRow] = ()
    gone: Gone = Gone()


def looks_for(rows: Iterable[SampleRow], fields: Mapping[int, str]) -> Iterator[Look]:
    """One for each entity of some samples; `fields` is what the deleted rows held, by the samples' ids.

    Of metadata it is the first of these that was told last: what the row is compared with if it is there again.
    """
    of_entity: dict[EntityKey, list[SampleRow]] = {}
    for row in rows:
        of_entity.setdefault((row.watch, row.chain, row.entity), []).append(row)
    for key, samples in of_entity.items():
        deleted = [row for row in samples if row.what == "deleted"]
        held = next((fields[row.id] for row in deleted if row.id in fields), None)
        last = deleted[-1] if deleted else None
        gone = (
            Gone(fields=held)
            if last is None
            else Gone(
                *(last.sampled_at, last.confidence, last.provenance, held, last.xid),
                *(last.traceparent, last.tracestate),
            )
        )
        yield Look(key, [row for row in samples if row.what == "sample"], gone)
