"""Reading through: what happens after a miss, as steps that a synchronous and an asynchronous reader carry out alike.

One read claims an absent entry and fills it; the others wait: those of the same process until it is done, those of
other processes briefly, by looking again and again. Nothing here does I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from rtp_client.cache.entry import NO_EVENT, Found, finding
from rtp_client.cache.lifetime import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, MutableMapping, Sequence

    Fields = Sequence[bytes | None]

CLAIM_MS = 5000
# In all longer than a look-up takes; a reader that has waited in vain asks the database itself.
_POLL_SECONDS = (0.002, 0.004, 0.008, *[0.016] * 15)
WAIT_SECONDS = sum(_POLL_SECONDS)


class Owner(NamedTuple):
    """Whose an entry is."""

    kind: str
    chain: str
    entity: str


class TableRow(NamedTuple):
    """What the table holds for an entity, and since when that is certain."""

    value: str
    as_of: str


@dataclass(frozen=True)
class Read:
    """Step: look at entries; gives a list of their fields."""

    keys: Sequence[str]


@dataclass(frozen=True)
class Join:
    """Step: register these keys as this read's; gives those that another read of this process is about to fill."""

    keys: Sequence[str]


@dataclass(frozen=True)
class Settled:
    """Step: wait until the other reads of this process are done with these keys, as long as a claim holds at most."""

    keys: Sequence[str]


@dataclass(frozen=True)
class Claim:
    """Step: ask for the right to fill entries; gives a list of claim.lua's answers."""

    keys: Sequence[str]
    token: str


@dataclass(frozen=True)
class Query:
    """Step: look entities up in their tables; gives a mapping of those found to their TableRow."""

    owners: Sequence[Owner]


class Guarded(NamedTuple):
    """One call of write.lua."""

    key: str
    guard: str
    expected: str
    ttl_ms: int
    fields: Sequence[str]


@dataclass(frozen=True)
class Write:
    """Step: write entries that are still as they were seen; gives a list of write.lua's answers."""

    writes: Sequence[Guarded]


@dataclass(frozen=True)
class Pause:
    """Step: wait."""

    seconds: float


Step = Read | Join | Settled | Claim | Query | Write | Pause


class Loaded(NamedTuple):
    """What a read came to: the entry's fields, None for an unknown entity, and whether the database was asked."""

    fields: Fields | None
    from_database: bool


def load(
    missing: Mapping[str, Owner],
    seen: Mapping[str, Fields],
    found: MutableMapping[str, Loaded],
    *,
    token: str,
    ttl_ms: Callable[[str], int],
    unknown_ttl_ms: int,
) -> Generator[Step, Any, None]:
    """Find what was missing, and put it into the cache; `found` is filled on the way.

    `seen` are the fields of those that are there and lack a part.
    """
    partial = {key: owner for key, owner in missing.items() if key in seen}
    absent = [key for key in missing if key not in seen]
    joined = (yield Join(absent)) if absent else []
    absent = [key for key in absent if key not in joined]
    answers = (yield Claim(absent, token)) if absent else []
    mine = [key for key, answer in zip(absent, answers, strict=True) if answer == 1]
    waiting = [key for key, answer in zip(absent, answers, strict=True) if answer != 1]
    if mine or partial:
        wanted = {key: missing[key] for key in (*mine, *partial)}
        rows = yield Query(list(wanted.values()))
        writes = [
            _fill(key, owner, rows.get(owner), seen.get(key), token, ttl_ms, unknown_ttl_ms)
            for key, owner in wanted.items()
        ]
        _settle(wanted, rows, seen, found)
        written = yield Write(writes)
        refused = [write.key for write, done in zip(writes, written, strict=True) if not done]
        if refused:  # an event came meanwhile: it is newer
            for key, fields in zip(refused, (yield Read(refused)), strict=True):
                _take(key, missing[key], fields, found)
    if joined:
        yield Settled(joined)
        waiting += joined
    for seconds in _POLL_SECONDS:
        if not waiting:
            return
        for key, fields in zip(waiting, (yield Read(waiting)), strict=True):
            _take(key, missing[key], fields, found)
        waiting = [key for key in waiting if key not in found]
        if waiting:
            yield Pause(seconds)
    if waiting:
        late = {key: missing[key] for key in waiting}
        rows = yield Query(list(late.values()))
        _settle(late, rows, seen, found)


def _take(key: str, owner: Owner, fields: Fields, found: MutableMapping[str, Loaded]) -> None:
    what = finding(fields)
    if what is Found.HIT:
        found[key] = Loaded(fields, from_database=False)
    elif what is Found.UNKNOWN:
        found[key] = Loaded(None, from_database=False)


def _settle(
    wanted: Mapping[str, Owner],
    rows: Mapping[Owner, TableRow],
    seen: Mapping[str, Fields],
    found: MutableMapping[str, Loaded],
) -> None:
    for key, owner in wanted.items():
        found[key] = Loaded(row_fields(rows.get(owner), seen.get(key)), from_database=True)


def row_fields(row: TableRow | None, seen: Fields | None = None) -> Fields | None:
    """A row as an entry's fields, with the event that was seen before."""
    if row is None:
        return None
    sequence, event = seen[:2] if seen else (NO_EVENT.encode(), None)
    return (sequence, event, row.value.encode(), row.as_of.encode())


def _fill(
    key: str,
    owner: Owner,
    row: TableRow | None,
    seen: Fields | None,
    token: str,
    ttl_ms: Callable[[str], int],
    unknown_ttl_ms: int,
) -> Guarded:
    if seen is not None:
        sequence = (seen[0] or b"").decode()
        if row is None:  # its row is gone, and the event that says so is on its way
            return Guarded(key, "sequence", sequence, 0, ("as_of", ""))
        return Guarded(key, "sequence", sequence, 0, ("as_of", row.as_of, "current", row.value))
    if row is None:
        return Guarded(key, "claim", token, unknown_ttl_ms, ("as_of", "-"))
    fields = ("as_of", row.as_of, "current", row.value, "sequence", NO_EVENT)
    return Guarded(key, "claim", token, spread(ttl_ms(owner.kind), key), fields)
