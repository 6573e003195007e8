"""What `rtp validate` does: apart from its options, as all that it imports is slow to load."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import typer

from cli.database import connection_to
from cli.destinations import destinations_table, sample_destinations
from cli.gateway import serve_warnings
from cli.notify.checks import notify_findings
from cli.output import out, print_json, print_problem
from cli.signals import interruptible
from core.inspection.stream_checkup import check_streams
from core.problem import counted
from triggers.checkup import Checkup, check_up
from triggers.rights import script

if TYPE_CHECKING:
    from core.settings.models import Settings


@interruptible
def show_verdict(settings: Settings, *, looks_at_streams: bool, compares_installed: bool, as_json: bool) -> None:
    """Show what was found. Exits as the command says, where that is not well."""
    if looks_at_streams:
        seen = check_streams(settings)
        found = Checkup(seen.problems, seen.warnings, notes=seen.notes)
    else:
        found = check_up(settings, partial(connection_to, settings), compares_installed=compares_installed)
    problems, warnings = notify_findings(settings)
    found = replace(
        found,
        problems=[*found.problems, *problems],
        warnings=[*found.warnings, *serve_warnings(settings), *warnings],
    )
    if as_json:
        compared = (
            {"drift": None if found.drift is None else list(map(vars, found.drift))} if compares_installed else {}
        )
        verdict = {"valid": not found.problems, "problems": found.problems, "warnings": found.warnings}
        verdict |= {"grants": [vars(grant) for grant in found.grants]}
        verdict |= {"notes": found.notes, "unarmed": found.unarmed}
        print_json(verdict | {"destinations": [] if found.problems else sample_destinations(settings)} | compared)
    else:
        _show(settings, found)
    if found.problems or found.drift or (compares_installed and found.unarmed):
        raise typer.Exit(2 if found.problems else 1)


def _show(settings: Settings, found: Checkup) -> None:
    for problem in found.problems:
        print_problem(problem, style="red")
    # For the clipboard, or for psql: on standard output, where nothing else is.
    sys.stdout.write("".join(f"{line}\n" for line in script(found.grants)))
    for action in found.drift or ():
        print_problem(
            f"{action.subject}: not as the settings say. `rtp install-triggers`: {action.what}, {action.detail}"
        )
    for line in found.unarmed:
        print_problem(line)
    if not found.problems and not found.drift and not found.unarmed:
        if settings.routes:
            out.print(destinations_table(settings))
        watches = counted(len(settings.watches), "watch", "watches")
        out.print(f"All is well: {watches}, and every service answers.")
    for note in found.notes:
        print_problem(f"note: {note}", style="dim")
    for warning in found.warnings:
        print_problem(f"warning: {warning}")
