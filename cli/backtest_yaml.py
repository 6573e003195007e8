"""Rules that a backtest proposes, as YAML to paste and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from core.problem import counted

if TYPE_CHECKING:
    from core.detection.classes import ClassName
    from core.detection.suggest import Proposal, Suggestion

_WORDS: dict[ClassName, str] = {
    "stable": "stable at a peg of 1",
    "volatile": "other prices",
    "large": "large: together nine tenths of all value",
    "small": "small",
    "all": "all",
}
_WIDE = 10_000


def suggestion_yaml(suggestion: Suggestion, watch: str) -> str:
    """The watch's keys; what a class is and what it would have told stand beside it."""
    document = suggestion.document
    lines = [
        f"# For {suggestion.per_day:g} events a day, in place of the watch's percent, cooldown, peg and overrides:",
        "watches:",
        f"  {_flow(watch)}:",
    ]
    *others, rest = suggestion.proposals
    lines.append(f"    # {_said(rest)}")
    lines += [f"    {_flow(key)}: {_flow(value)}" for key, value in rest.keys.items()]
    if others:
        lines.append("    overrides:")
        lines += [f"      # {_said(proposal)}" for proposal in others]
        lines += [f"      - {_flow(override)}" for override in document["overrides"]]
    return "\n".join(lines)


def suggestion_document(suggestion: Suggestion, watch: str) -> dict[str, Any]:
    """The same as JSON has it."""
    return {
        "per_day": suggestion.per_day,
        "watches": {watch: suggestion.document},
        "classes": [
            {
                "class": proposal.entities.name,
                "entities": len(proposal.entities.samples),
                "entities_tried": proposal.tried,
                "events_a_day": proposal.a_day,
                "large_moves": proposal.large_moves,
                "missed": proposal.missed,
                "more_than_its_share": proposal.is_over,
                "rule": proposal.keys,
            }
            for proposal in suggestion.proposals
        ],
    }


def _said(proposal: Proposal) -> str:
    entities = len(proposal.entities.samples)
    tried = "" if proposal.tried == entities else f", as {proposal.tried:,} of them show"
    moves, missed = proposal.large_moves, proposal.missed
    silent = f"; tells nothing of {missed:,} of {counted(moves, 'large move')}" if missed else ""
    over = "; more than its share, but nothing that was tried says less" if proposal.is_over else ""
    return f"{_WORDS[proposal.entities.name]} ({entities:,}): {proposal.a_day:.3g} events a day{tried}{silent}{over}"


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=_WIDE, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
