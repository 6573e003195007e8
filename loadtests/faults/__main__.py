"""`python -m loadtests.faults`: hurt rtp and its services, and account for every event. `make faults` runs it."""

from __future__ import annotations

import argparse
import json
import logging
import math
import secrets
import signal
import sys
import threading
from contextlib import closing
from pathlib import Path

from rich.console import Console

from loadtests.faults.catalogue import FAULTS
from loadtests.faults.disk import Disk
from loadtests.faults.suite import FaultPlan, run

_WIDTH_IN_FILES = 120
_SMALL_MB, _LARGE_MB = 1024, 4096  # of memory, while it is full
# Proxies and readers are threads beside the writers: what passes through them must not wait 5 ms, the default.
_SWITCH_INTERVAL_SECONDS = 0.0005


def main() -> None:
    """Run, print, and end with 1 where anything was lost, reordered, or otherwise wrong."""
    arguments = _arguments()
    sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    console.print(f"seed {seed}")
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # that a rollback failed on a dead connection is no news here
    plan = FaultPlan(
        seed,
        arguments.seconds,
        arguments.faults,
        arguments.events,
        arguments.rate,
        arguments.only or (),
        arguments.minutes,
        arguments.hold,
        is_mixed=arguments.mixed,
    )
    with closing(Disk(_LARGE_MB if arguments.events else _SMALL_MB)) as disk:  # before any thread is started
        report = run(plan, disk, console.print, _stopping(console))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report.document(), indent=1) + "\n", encoding="utf-8")
    width = None if sys.stdout.isatty() else _WIDTH_IN_FILES
    out = Console(width=width, soft_wrap=True, highlight=False, markup=False)
    out.print(report.tables())
    out.print("\n".join(report.lines()))
    sys.exit(0 if report.is_clean and not report.ended_early else 1)


def _stopping(console: Console) -> threading.Event:
    """Set by the first SIGINT or SIGTERM: faults end, and what there was is accounted for. The next one ends it all."""
    stopping = threading.Event()

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.default_int_handler)
        console.print("stopping: waiting for what is under way, for the account (again: at once, without)")
        threading.Thread(target=stopping.set).start()  # not here: its lock may be held by what this interrupts

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopping


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.faults",
        description="Hurt rtp and its services, and account for every event.",
        epilog="Example: make faults ARGS='--events 1000000 --faults 500 --seed 7'",
    )
    parser.add_argument("--seconds", type=float, default=180, help="inject faults for so long (default 180)")
    parser.add_argument("--faults", type=int, help="inject so many, however long it takes, instead")
    parser.add_argument("--events", type=int, help="write so many steps in all, spread over the faults")
    parser.add_argument("--minutes", type=float, default=180, help="end early after so long (default 180)")
    parser.add_argument(
        "--hold", type=float, default=math.inf, help="hold no fault for longer, if it needs no more time"
    )
    parser.add_argument("--rate", type=float, help="at most so many steps per second (default 250; 2000 with --events)")
    parser.add_argument("--seed", type=int, help="the seed of a run before; it is printed")
    parser.add_argument("--only", action="append", choices=sorted(FAULTS), metavar="NAME", help="only this; repeatable")
    parser.add_argument("--mixed", action="store_true", help="at random from the start: not each alone before")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there, too")
    arguments = parser.parse_args()
    if arguments.rate is None:
        arguments.rate = 250 if arguments.events is None else 2000
    return arguments


if __name__ == "__main__":
    main()
