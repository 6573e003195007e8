"""The first instruction of every server of the embedded stack: die with rtp, then become the server.

Run as a script, never imported: `python -I -S launch.py PARENT_PID SIGNAL USER GROUP COMMAND...`

A separate step rather than `preexec_fn`, which is unsafe in a process with threads (and warns so from
Python 3.12 on). It changes the user first, because a change of credentials clears the parent-death signal.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    """Become the user (-1: stay), ask the kernel for SIGNAL when the parent dies, and run COMMAND."""
    parent, death_signal, user, group = (int(argument) for argument in sys.argv[1:5])
    command = sys.argv[5:]
    if user >= 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # it died before the kernel was asked
            sys.exit(1)
    try:
        os.execv(command[0], command)  # noqa: S606  (no shell is the point)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
