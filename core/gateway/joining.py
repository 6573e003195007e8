"""How a subscription gets from where it begins to the stream's end, at the pace of its client.

First it is told from which position on nothing is missed, then what is there (a snapshot), then the events since that
position, from the window or from older pages of Redis, less those that the snapshot has in it. When none is left it
takes part in what is live. All of it waits while the client does not read, and holds a few hundred events at most.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.errors import ServiceUnavailable
from core.gateway.history import PlaceLost
from core.gateway.messages import snapshot_head
from core.gateway.snapshot import PAGE_ENTRIES, snapshot_page
from rtp_client.backoff import Backoff
from rtp_client.stream.entries import REDELIVERY_REACH
from rtp_client.stream.recent_ids import RecentIds

if TYPE_CHECKING:
    from core.gateway.hub import Hub
    from core.gateway.placed_event import PlacedEvent
    from core.gateway.snapshot import Snapshot
    from core.gateway.subscription import Subscription
    from rtp_client.stream.position import Position

_CHUNK = 500
_SENDS_PER_TURN = 50  # of the loop, which all others wait for
_RETRY = Backoff(initial_seconds=0.2, max_seconds=5)


async def begin(hub: Hub, subscription: Subscription, resume: Position | None) -> None:
    """Go on where the client was, or begin where the stream is now."""
    await hub.begun_reading()
    lost = await hub.history.lost_place(resume) if resume else None
    if resume and lost is None:
        hub.counts.resumed += 1
        _say_subscribed(subscription, resume, resumed=True)
        lost = await _follow(hub, subscription, resume)
    else:
        lost = await _from_now(hub, subscription, lost)
    if lost is not None:
        await begin_anew(hub, subscription, lost)


async def begin_anew(hub: Hub, subscription: Subscription, lost: PlaceLost) -> None:
    """Begin where the stream is now, and say that what lay between is not known."""
    still_lost: PlaceLost | None = lost
    while still_lost is not None:
        still_lost = await _from_now(hub, subscription, still_lost)


async def _from_now(hub: Hub, subscription: Subscription, lost: PlaceLost | None) -> PlaceLost | None:
    """Returns where the subscription has lost its place on the way, or None once it takes part in what is live."""
    snapshot = hub.snapshots.ask() if subscription.wants_snapshot else None
    start = snapshot.start if snapshot else hub.window.head
    if not subscription.is_told:
        _say_subscribed(subscription, start, resumed=False, is_reached=snapshot is None)
    if lost is not None:
        hub.counts.reset += 1
        subscription.session.post_place(
            "reset", start, is_reached=snapshot is None, id=subscription.id, reason=lost.reason, message=lost.told
        )
    if snapshot is not None:
        snapshot = await _send_snapshot(hub, subscription, snapshot)
    return await _follow(hub, subscription, start, snapshot)


def _say_subscribed(subscription: Subscription, position: Position, *, resumed: bool, is_reached: bool = True) -> None:
    subscription.is_told = True
    subscription.session.post_place(
        "subscribed",
        position,
        is_reached=is_reached,
        id=subscription.id,
        log=position.log,
        sequence=position.sequence,
        resumed=resumed,
    )


async def _send_snapshot(hub: Hub, subscription: Subscription, snapshot: Snapshot) -> Snapshot:
    """Send the snapshot, or a later one where that cannot be read; the one that was sent.

    Only who has all of it can go on behind its start.
    """
    start = snapshot.start
    session = subscription.session
    failures = 0
    while True:
        try:
            entries = await snapshot.entries_for(subscription.audience)
            break
        except ServiceUnavailable as error:
            failures += 1
            if failures == 1:
                message = f"there is no snapshot now: {error}. It is tried again"
                session.post("error", code="snapshot_unavailable", message=message, id=subscription.id)
            await asyncio.sleep(_RETRY.wait_seconds(failures))
            snapshot = hub.snapshots.ask()
    head = snapshot_head(subscription.id)
    for at in range(0, max(len(entries), 1), PAGE_ENTRIES):
        await session.room()
        is_last = at + PAGE_ENTRIES >= len(entries)
        # Made when there is room for it, or those who do not read would hold megabytes each.
        page = snapshot_page(entries[at : at + PAGE_ENTRIES], is_last=is_last)
        session.post_document("snapshot", (head, page), str(start) if is_last else None)
        await asyncio.sleep(0)
    return snapshot


async def _follow(
    hub: Hub, subscription: Subscription, after: Position, snapshot: Snapshot | None = None
) -> PlaceLost | None:
    """Send what comes behind a position, until the subscription takes part in what is live."""
    session, audience, window = subscription.session, subscription.audience, hub.window
    sent = RecentIds(REDELIVERY_REACH)
    while True:
        await session.room()
        if window.head.order < after.order:  # another gateway was ahead of this one
            await hub.reached(after.order)
        elif window.reaches(after):
            head = window.head
            events = window.after(after, audience, _CHUNK)
            if not events:
                audience.live[subscription] = None
                return None
            await _send(subscription, events, sent, snapshot)
            after = head if len(events) < _CHUNK else events[-1].position
        else:
            page = await hub.history.page(after)
            if isinstance(page, PlaceLost):
                return page
            await _send(subscription, [event for event in page.events if audience.wants(event)], sent, snapshot)
            after = page.last


async def _send(
    subscription: Subscription, events: list[PlacedEvent], sent: RecentIds, snapshot: Snapshot | None
) -> None:
    session = subscription.session
    for number, event in enumerate(events, start=1):
        if not (snapshot and snapshot.has(event)) and sent.add(event.event.id):
            await session.room()
            session.offer(subscription, event)
        if number % _SENDS_PER_TURN == 0:
            await asyncio.sleep(0)
