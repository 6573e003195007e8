"""What a message asks of an audience that is to acknowledge it, and who is told otherwise."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.kinds import kind_of_event
from core.notify.acknowledgement.acknowledgements import Acknowledgements, offer_of
from core.notify.acknowledgement.links import AcknowledgeLinks, key_from
from core.notify.outbox.client import outbox_client
from core.notify.words.compose import Appeal, worst
from core.notify.words.headline import headline, span
from core.problem import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.kinds import Kinds
    from core.settings.models import Settings
    from core.settings.notify import Audience
    from rtp_client.event import Event


class Appeals:
    """For threads. An appeal can be answered from the moment at which it is made."""

    def __init__(
        self,
        audiences: Sequence[Audience],
        acknowledgements: Acknowledgements,
        links: AcknowledgeLinks | None,
        kinds: Kinds,
    ) -> None:
        self._audiences = audiences
        self._acknowledgements = acknowledgements
        self._links = links
        self._kinds = kinds

    def to(self, audience: Audience, events: Sequence[Event]) -> Appeal | None:
        """What is asked of an audience; None of one that others wait for nothing from. Raises SinkUnavailable."""
        wait = audience.unless_acknowledged
        tellers = [one for one in self._audiences if audience.name in one.tells] if audience.only_escalated else []
        if wait is None and not tellers:
            return None
        offer = offer_of(events, _title(events, self._kinds))
        self._acknowledgements.offer(offer)
        waited = min((one.unless_acknowledged.after for one in tellers if one.unless_acknowledged), default=None)
        return Appeal(
            id=offer.id,
            link=self._links.link(offer.id, time.time()) if self._links else "",
            tells=" and ".join(audience.tells),
            within=span(wait.after.total_seconds()) if wait else "",
            unanswered_by=" or ".join(one.name for one in tellers),
            waited=span(waited.total_seconds()) if waited else "",
        )


def appeals_of(settings: Settings, environ: Mapping[str, str]) -> Appeals | None:
    """What the settings ask for; None where nobody is to acknowledge anything. Raises SettingsError."""
    if not any(audience.unless_acknowledged for audience in settings.notify):
        return None
    client, address = outbox_client(settings)
    key, page = key_from(environ), settings.serve.public_url
    links = AcknowledgeLinks(key, page) if key and page else None
    return Appeals(settings.notify, Acknowledgements(client, address), links, settings.all_kinds)


def _title(events: Sequence[Event], kinds: Kinds) -> str:
    if len(events) > 1:
        return f"{counted(len(events), 'alert')}, {worst(events)} at worst"
    data = events[0].data
    return headline(data, kind_of_event(data.kind, kinds))
