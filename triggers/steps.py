"""What an installation is made of: actions for people to read, each with the statements that carry it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psycopg import sql

What = Literal["created", "replaced", "migrated", "removed", "unchanged", "held up", "ended"]


@dataclass(frozen=True)
class Action:
    """One thing that an installation does, for the report."""

    what: What
    subject: str
    detail: str


@dataclass(frozen=True)
class Touch:
    """What a step does to one of the user's tables: triggers that it makes or drops, and whether it reads it all."""

    table: str
    makes: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    is_read: bool = False
    keeps_writers_out: bool = False


@dataclass(frozen=True)
class Step:
    """An action, the statements that carry it out, and what they do to the user's tables."""

    action: Action
    statements: tuple[sql.SQL | sql.Composed, ...] = ()
    touches: tuple[Touch, ...] = ()
