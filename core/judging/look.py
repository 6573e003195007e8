"""A look to be taken at what a table holds of an entity, what is known of its row besides, and what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from core.judging.judgement import judge_samples
from core.judging.rename import is_aside
from core.judging.sample import SampleRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from core.judging.entity import EntityMemory
    from core.judging.findings import Findings
    from core.judging.sample import EntityKey


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


class Rename(NamedTuple):
    """An entity whose row has another name, and what that says of itself. `fields`: of metadata, what it held."""

    id: int
    watch: int
    chain: str
    entity: str
    former_chain: str
    former_entity: str
    xid: str
    confidence: float | None
    provenance: str | None
    changed_at: datetime
    fields: str | None

    @property
    def key(self) -> EntityKey:
        """Whose name it has."""
        return self.watch, self.chain, self.entity

    @property
    def former_key(self) -> EntityKey:
        """Whose name it had."""
        return self.watch, self.former_chain, self.former_entity


def up_to_renames(rows: Iterable[SampleRow]) -> list[list[SampleRow]]:
    """Samples in the parts that renames make of them: what was written before is known before it goes over."""
    parts: list[list[SampleRow]] = []
    is_renamed = False
    for row in rows:
        was_renamed, is_renamed = is_renamed, row.what == "renamed"
        if not parts or (is_renamed and not was_renamed):
            parts.append([])
        parts[-1].append(row)
    return parts


def renames_in(rows: Iterable[SampleRow], fields: Mapping[int, str]) -> list[Rename]:
    """What some samples tell of renamed entities, oldest first; `fields` by the samples' ids."""
    return [
        Rename(
            *(row.id, *row.key, row.former_chain or "", row.former_entity or "", row.xid),
            *(row.confidence, row.provenance, row.changed_at or row.sampled_at, fields.get(row.id)),
        )
        for row in rows
        if row.what == "renamed"
    ]


def looks_at_renamed(looks: Iterable[Look], renames: Iterable[Rename]) -> list[Look]:
    """The same looks, and one at each name that was given or taken away: what a row held goes with it."""
    found = {look.key: look for look in looks}
    for rename in renames:
        was, now = (found.get(key, Look(key)) for key in (rename.former_key, rename.key))
        fields = was.gone.fields or rename.fields or now.gone.fields
        found[was.key] = was._replace(gone=was.gone._replace(fields=None))
        found[now.key] = now._replace(gone=now.gone._replace(fields=fields))
    return [look for look in found.values() if not is_aside(look.key)]


def looks_for(rows: Iterable[SampleRow], fields: Mapping[int, str]) -> Iterator[Look]:
    """One for each entity of some samples; `fields` is what the deleted rows held, by the samples' ids.

    Of metadata it is the first of these that was told last: what the row is compared with if it is there again.
    """
    of_entity: dict[EntityKey, list[SampleRow]] = {}
    for row in rows:
        if row.what != "renamed":
            of_entity.setdefault(row.key, []).append(row)
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


def judge_look(
    look: Look, entity: EntityMemory, here: Sequence[Any] | None, clock: datetime, findings: Findings
) -> bool:
    """Judge an entity by what was written and what is there now; whether its baseline has moved."""
    before = entity.state
    rows = _unjudged(look, entity)
    if here is None:
        rows += _gone(look, clock)
    elif here[1]:  # else the row is there, but has no number: its trigger has noted that
        rows.append(_sample(look.key, here, clock))
    judge_samples(rows, {look.key: entity}, findings)
    after = entity.state
    if (before and before.reported_at) == (after and after.reported_at):
        if entity.is_dirty:  # no more than a newer value within the band, which nobody asks for
            findings.dirty.pop()
            entity.is_dirty = entity.is_moved = False
        return False
    return True


def judge_written(look: Look, entity: EntityMemory, findings: Findings) -> None:
    """Judge an entity by what was written alone."""
    judge_samples(_unjudged(look, entity), {look.key: entity}, findings)


def _unjudged(look: Look, entity: EntityMemory) -> list[SampleRow]:
    state = entity.state
    return [row for row in look.written if state is None or row.sampled_at > state.reported_at]


def _sample(key: EntityKey, here: Sequence[Any], clock: datetime) -> SampleRow:
    value, _, confidence, provenance, changed_at = here
    return SampleRow(0, *key, "sample", value, clock, changed_at, confidence, provenance, None, None, clock, "")


def _gone(look: Look, clock: datetime) -> list[SampleRow]:
    """The deletion; none where its own sample is yet to be read, which alone says what the row has said of itself."""
    at, confidence, provenance, _, xid, parent, state = look.gone
    if at is None:
        return []
    return [SampleRow(0, *look.key, "deleted", None, at, at, confidence, provenance, parent, state, clock, xid or "")]
