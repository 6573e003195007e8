"""Asking about proposals: a line of plain text for each, so that it works over any connection."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from cli.init.show import show_proposal
from cli.output import out, print_problem
from core.discovery.document import document_of
from core.errors import SettingsError
from core.settings.located_yaml import Written
from core.settings.models import Settings, settings_model
from core.settings.own_kinds import kinds_in
from core.settings.problems import explain, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.discovery.proposal import WatchProposal

_HELP = "Enter watches it, a all that follow, too, n does not; percent=5 columns.chain=net changes it; q ends: "


def ask(watches: Sequence[WatchProposal]) -> tuple[WatchProposal, ...]:
    """Those that are wanted, changed as they should be. Raises SettingsError where that is none, or nobody answers."""
    chosen: list[WatchProposal] = []
    for place, one in enumerate(watches):
        wanted, takes_rest = _ask_about(one, f"{place + 1} of {len(watches)}  ")
        chosen += [] if wanted is None else [wanted]
        if takes_rest:
            chosen += watches[place + 1 :]
            break
    if not chosen:
        raise SettingsError(
            "no proposal was taken, and nothing was written", "Write a file yourself from configs/default.yaml"
        )
    return tuple(chosen)


def _ask_about(one: WatchProposal, number: str) -> tuple[WatchProposal | None, bool]:
    """The proposal as it is wanted, if it is, and whether all that follow are wanted as they are."""
    show_proposal(one, number)
    while True:
        out.print(f"  {_HELP}", end="", markup=False, soft_wrap=True)
        sys.stdout.flush()
        answer = sys.stdin.readline()
        if not answer:
            out.print()
            raise SettingsError(
                "the questions were not answered, and nothing was written", "Take all proposals with --yes"
            )
        match answer.strip().lower():
            case "" | "y" | "yes":
                return one, False
            case "a" | "all":
                return one, True
            case "n" | "no":
                return None, False
            case "q" | "quit":
                raise SettingsError("ended, and nothing was written", "Begin again with `rtp init`")
        changed = _changed(one, answer.strip())
        if changed is not None:
            one = changed
            show_proposal(one, number)


def _changed(one: WatchProposal, answer: str) -> WatchProposal | None:
    """The proposal with what was answered; None, and a line that says why, where that does not fit."""
    watch: dict[str, Any] = dict(one.watch)
    for part in answer.split():
        key, is_given, value = part.partition("=")
        if not key or not is_given:
            print_problem(f"{part}: answer with Enter, a, n, q, or with key=value")
            return None
        watch = _with(watch, key, value)
    changed = replace(
        one,
        watch=watch,
        remarks={key: text for key, text in one.remarks.items() if watch.get(key) == one.watch.get(key)},
    )
    if trouble := _trouble(changed):
        print_problem(trouble)
        return None
    return changed


def _with(watch: dict[str, Any], key: str, value: str) -> dict[str, Any]:
    """A key set, or one below it: `columns.chain=network`; without a value it is taken away."""
    try:
        given = yaml.safe_load(value) if value else None
    except yaml.YAMLError:
        given = value
    above, is_below, below = key.partition(".")
    if is_below:
        inner = watch.get(above)
        given = {**(inner if isinstance(inner, dict) else {}), below: given}
        given = {key: value for key, value in given.items() if value is not None}
    return {name: one for name, one in {**watch, above: given}.items() if one is not None}


def _trouble(one: WatchProposal) -> str:
    """What the settings would say of it, if anything."""
    document = document_of([replace(one, name="watch")])
    try:
        Settings.model_validate(document)
    except ValidationError as failure:
        error = failure.errors(include_url=False)[0]
        place = [str(part) for part in place_of(error) if part not in ("watches", "watch")]
        given = error["input"]
        written = Written(given, "text") if isinstance(given, str) else None
        return f"{'.'.join(place)}: {explain(error, written, settings_model(kinds_in(document)))}"
    return ""
