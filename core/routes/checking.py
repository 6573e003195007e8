"""Routes that can never match, or that add nothing, and kinds without a watch: what the settings alone can tell."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from core.kinds import MARKET
from core.routes.matching import label_of, name_mismatch
from core.settings.rules import is_glob, matches_glob, override_value
from core.settings.watches import EVERYWHERE, Constant, SeverityTiers, Watch
from core.severity import reaches, severity
from rtp_client.event import METADATA_REASONS, Reason, Severity
from rtp_client.event_filter import SEVERITY_RANK

if TYPE_CHECKING:
    from collections.abc import Collection

    from core.settings.models import Settings
    from core.settings.routes import Route, RouteMatch

    Step = tuple[Decimal | None, Decimal | None]

_NOTHING, _ZERO, _ONE, _VERY_FAR = None, Decimal(0), Decimal(1), Decimal("1e9")
_FARTHEST: dict[Reason, Step] = {
    **dict.fromkeys(METADATA_REASONS, (_NOTHING, _NOTHING)),
    **dict.fromkeys((Reason.FIRST_SEEN, Reason.FROM_NULL), (_NOTHING, _ONE)),
    **dict.fromkeys((Reason.DELETED, Reason.TO_NULL), (_ONE, _NOTHING)),
    Reason.RENAMED: (_ONE, _ONE),
    Reason.FROM_ZERO: (_ZERO, _ONE),
    Reason.TO_ZERO: (_ONE, _ZERO),
    Reason.NOT_FINITE: (_ONE, Decimal("Infinity")),
    Reason.FINITE_AGAIN: (Decimal("NaN"), _ONE),
}
"""The step that matters most of those that each reason can tell of; a reason that is not here knows no bound."""
_OF_A_PEG = (Reason.DEPEG, Reason.ESCALATED, Reason.REPEG)


def find_useless(settings: Settings) -> Iterator[str]:
    """A line for each kind without a watch, and each route that no event can match or that another makes needless."""
    used = {watch.kind for watch in settings.watches.values()}
    for name in settings.kinds:
        if name not in used:
            yield f"kinds.{name}: no watch is of this kind. Add one, or remove the kind"
    for place, route in enumerate(settings.routes):
        where = where_is(route, place)
        if reasons := contradictions(route.match, settings):
            yield f"{where} can never match: {'; '.join(reasons)}"
        elif (other := _shadowing(route, settings.routes[:place])) is not None:
            label = label_of(settings.routes[other], other)
            yield f"{where} adds nothing: what it matches, {label} sends there already"


def where_is(route: Route, place: int) -> str:
    """A route's place in the file, and its name where it has one."""
    return f"routes[{place}]" + (f" ({route.name})" if route.name else "")


def contradictions(match: RouteMatch, settings: Settings) -> list[str]:
    """Why no watch can raise an event that fits; empty where one can."""
    reasons = []
    for name, watch in settings.watches.items():
        reason = _contradiction(match, name, watch)
        if reason is None:
            return []
        reasons.append(f"watch {name} {reason}")
    return reasons


def _contradiction(match: RouteMatch, called: str, watch: Watch) -> str | None:
    if _tells_of_its_market(match, called, watch):
        return None
    if watch.kind not in match.kinds:
        return f"raises kind {watch.kind}"
    if (name := _stuck(match.chain, watch.columns.chain)) is not None:
        return f"knows the chain {name} only"
    if (name := _stuck(match.names_of(watch.kind), watch.columns.entity)) is not None:
        return f"knows {name} only"
    if match.market and not _has_market(watch):
        return "has no `market`"
    return _unfit_reasons(match, watch)


def _has_market(watch: Watch) -> bool:
    return watch.has_value and watch.market is not None


def _tells_of_its_market(match: RouteMatch, called: str, watch: Watch) -> bool:
    """Whether the event of a market-wide move can fit."""
    is_meant = MARKET.name in match.kinds and match.market is not True
    has_reason = match.reason is None or Reason.MARKET_MOVED in match.reason
    return (
        _has_market(watch)
        and is_meant
        and has_reason
        and name_mismatch(match, MARKET.name, EVERYWHERE.const, called) is None
    )


def _unfit_reasons(match: RouteMatch, watch: Watch) -> str | None:
    raised = _reasons(watch)
    wanted = raised if match.reason is None else raised & frozenset(match.reason)
    if not wanted:
        return f"never gives the reason {' or '.join(match.reason or ())}"
    far = {reason for reason in wanted if match.min_percent is None or _can_move(reason, match.min_percent)}
    if not far:
        return f"moves by {match.min_percent} % for no such reason"
    if match.severity is not None and not any(_can_be(reason, match.severity, watch) for reason in far):
        return f"never reaches {match.severity} for such a reason"
    return None


def _stuck(names: Collection[str] | None, column: object) -> str | None:
    """The one name that a watch has in all of its rows, where the route wants others."""
    if names is None or not isinstance(column, Constant) or any(matches_glob(name, column.const) for name in names):
        return None
    return column.const


def _reasons(watch: Watch) -> frozenset[Reason]:
    if not watch.has_value:
        return METADATA_REASONS | {Reason.RENAMED}
    given = {
        Reason.RENAMED: watch.has_aliases or not watch.is_history,
        Reason.FIRST_SEEN: any(part.emit_first for part in watch.rule_sources),
        Reason.HEARTBEAT: any(part.heartbeat for part in watch.rule_sources),
        Reason.MOVED: any(part.moves for part in watch.rule_sources),
        Reason.DELETED: not watch.is_history,
        Reason.MARKET_MOVED: False,
    }
    given |= dict.fromkeys(_OF_A_PEG, _has_peg(watch))
    can_disagree = any(part.agree and part.agree.disagree_for for part in watch.rule_sources)
    given |= dict.fromkeys((Reason.DISAGREED, Reason.AGREED), can_disagree)
    return frozenset(reason for reason in Reason if reason not in METADATA_REASONS and given.get(reason, True))


def _has_peg(watch: Watch) -> bool:
    return watch.has_value and any(override_value(part, "peg") for part in watch.rule_sources)


def _farthest(reason: Reason) -> Step:
    return _FARTHEST.get(reason, (_ONE, _VERY_FAR))


def _can_move(reason: Reason, percent: Decimal) -> bool:
    previous, current = _farthest(reason)
    if previous is None or current is None or not previous.is_finite():
        return False
    return reaches((current - previous).copy_abs(), previous, percent)


def _can_be(reason: Reason, wanted: Severity, watch: Watch) -> bool:
    if _has_peg(watch):  # there the distance from the peg decides
        return True
    sources = watch.rule_sources if watch.has_value else ()
    tiers = [part.severity for part in sources if part.severity is not None] or [SeverityTiers()]
    return any(SEVERITY_RANK[severity(reason, *_farthest(reason), one)] >= SEVERITY_RANK[wanted] for one in tiers)


def _shadowing(route: Route, earlier: Collection[Route]) -> int | None:
    for place, other in enumerate(earlier):
        same_queue = route.queue is None or route.queue == other.queue
        same_channel = route.channel is None or route.channel == other.channel
        if same_queue and same_channel and _covers(other.match, route.match):
            return place
    return None


def _covers(wide: RouteMatch, narrow: RouteMatch) -> bool:
    """Whether all that the narrow one matches, the wide one does; where that cannot be told, no."""
    return (
        set(narrow.kinds) <= set(wide.kinds)
        and all(_names_cover(wide.names_of(kind), narrow.names_of(kind)) for kind in narrow.kinds)
        and _names_cover(wide.chain, narrow.chain)
        and not (wide.reason is None and narrow.reason is not None and Reason.HEARTBEAT in narrow.reason)
        and (wide.reason is None or (narrow.reason is not None and set(narrow.reason) <= set(wide.reason)))
        and SEVERITY_RANK[wide.severity or Severity.INFO] <= SEVERITY_RANK[narrow.severity or Severity.INFO]
        and wide.market in (None, narrow.market)
        and (wide.min_percent is None or (narrow.min_percent is not None and narrow.min_percent >= wide.min_percent))
    )


def _names_cover(wide: Collection[str] | None, narrow: Collection[str] | None) -> bool:
    if wide is None:
        return True
    return narrow is not None and all(
        name in wide or "*" in wide or (not is_glob(name) and any(matches_glob(glob, name) for glob in wide))
        for name in narrow
    )
