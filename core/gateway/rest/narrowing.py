"""What a token that is narrowed may see of answers that everybody shares. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from core.errors import RtpError
from core.gateway.reach import EVERYTHING

if TYPE_CHECKING:
    from core.gateway.reach import Reach
    from core.gateway.rest.documents import PegList, StatusDocument

# Of the document of `rtp status`: lists that name entities, or tell what data was in a row.
_OF_ENTITIES = ("quarantined", "outcomes", "set_aside", "trigger_errors")


class OutOfReach(RtpError):
    """The token does not allow to see that entity."""


def pegs_within(found: PegList, reach: Reach) -> PegList:
    """Those that the token reaches."""
    return structs.replace(found, pegs=[peg for peg in found.pegs if reach.covers(peg.kind, peg.chain, peg.entity)])


def status_within(found: StatusDocument, reach: Reach) -> StatusDocument:
    """The state of rtp, without what names entities where the token does not reach all of them."""
    if reach == EVERYTHING or found.status is None:
        return found
    kept: dict[str, Any] = {name: [] if name in _OF_ENTITIES else part for name, part in found.status.items()}
    return structs.replace(found, status=kept)
