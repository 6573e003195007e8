"""Which user PostgreSQL runs as. It refuses root, so root lends it another account that exists anyway."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from core.errors import StackError

CANDIDATES = ("nobody", "daemon")


@dataclass(frozen=True)
class Account:
    """An unprivileged user: ids of the operating system."""

    name: str
    user: int
    group: int


def hand_over_to_unprivileged_account(folder: Path) -> Account | None:
    """Give `folder` to an unprivileged user and return who that is; None if we are not root ourselves.

    Raises StackError where no such user exists (or, in a container, none that is mapped).
    """
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        except (KeyError, OSError):
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    users = " nor ".join(CANDIDATES)
    raise StackError(
        f"PostgreSQL does not run as root, and neither {users} can be used instead",
        "Run rtp as an ordinary user",
    )


def others_can_enter(folder: Path) -> bool:
    """Whether every user may reach files in this folder: each folder on the way has its x permission."""
    ways = (folder, *folder.parents)
    return all(way.stat().st_mode & stat.S_IXOTH for way in ways)


def others_can_run(program: Path) -> bool:
    """Whether every user may run this program and read what lies beside its folder."""
    needed = stat.S_IROTH | stat.S_IXOTH
    return others_can_enter(program.parent) and program.stat().st_mode & needed == needed
