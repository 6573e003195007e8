"""What `rtp init` shows: what it found, what cannot be watched, and what to do next."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cli.event_line import printable
from cli.next_command import next_command
from cli.output import out, print_problem
from core.problem import counted
from triggers.rights import script

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.discovery.picture import Picture
    from core.discovery.proposal import Proposals, WatchProposal
    from triggers.rights import Grant


def show_all(picture: Picture, found: Proposals, *, is_brief: bool) -> None:
    """What was looked at and what cannot be watched; the proposals, too, unless each will be asked about."""
    since = (
        ""
        if picture.counted_since is None
        else f"; rates are averages since {picture.counted_since:%Y-%m-%d %H:%M} UTC"
    )
    tables = counted(len(picture.tables), "table")
    _say(f"Database {picture.database}, as role {picture.role}: {tables} looked at{since}.")
    for unfit in found.unfit:
        print_problem(str(unfit))
    if found.plain and found.watches:
        _say(f"Nothing in {_listed(found.plain)} looks like anything that rtp knows.", style="dim")
    if not is_brief:
        for one in found.watches:
            show_proposal(one)


def show_proposal(one: WatchProposal, number: str = "") -> None:
    """One proposal: what it is and why, the columns, the rules, and what to know."""
    _say("")
    _say(f"{number}{one.line}", style="bold")
    keys = {key: value for key, value in one.watch.items() if key not in ("table", "columns", "overrides")}
    _say(f"  {one.name}: {', '.join(f'{key} {_shown(value)}' for key, value in keys.items())}")
    _say(f"  columns: {', '.join(f'{role} {column}' for role, column in one.watch['columns'].items())}")
    for note in one.notes:
        _say(f"  {note}")


def show_outcome(
    output: Path,
    watches: Sequence[WatchProposal],
    role: str,
    grants: Sequence[Grant],
    problems: Sequence[str],
) -> None:
    """What was written, the grants that are missing, and the commands that come next."""
    _say("")
    _say(f"Wrote {output}: {len(watches)} watch{'es' if len(watches) > 1 else ''}. Its remarks say what each key does.")
    for problem in problems:
        print_problem(problem, style="red")
    if grants:
        _say(f"Role {role} lacks these rights; `rtp grants --role NAME` prints all of them for another role:")
        sys.stdout.write("".join(f"  {line}\n" for line in script(grants)))
    elif not problems:
        _say(f"Role {role} has all the rights that it needs.")
    _say("Next:")
    if not os.environ.get("RTP_POSTGRES_DSN"):
        _say("  export RTP_POSTGRES_DSN=...                        # as you gave it here")
    if not os.environ.get("RTP_REDIS_URL"):
        _say("  export RTP_REDIS_URL=redis://127.0.0.1:6379/0      # where events go: any Redis or Valkey")
    _say(f"  {next_command('install-triggers', output)}   # --dry-run shows what it would do")
    _say(f"  {next_command('run', output)}")


def _shown(value: object) -> str:
    match value:
        case list():
            return ", ".join(map(str, value))
        case dict():
            return " ".join(f"{key} {one}" for key, one in value.items())
        case _:
            return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - 5
    return ", ".join(names[:5]) + (f" and {more:,} more" if more > 0 else "")


def _say(line: str, *, style: str = "") -> None:
    out.print(printable(line), style=style, markup=False, soft_wrap=True)
