"""`make peers`: rtp beside its peers, in one run. docs/peers.md says what the columns mean."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from core.errors import RtpError
from loadtests.peers.comparison import compare, find_server
from loadtests.peers.contest import Effort
from loadtests.peers.entrants import PEERS
from loadtests.peers.figures import table_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtests.peers.figures import Figures

EMBEDDED = "embedded"


def main() -> int:
    """Measure, and print a table; `--json` for scripts."""
    arguments = _parse()
    effort = Effort(arguments.rate, arguments.seconds, arguments.turns)
    errors = Console(stderr=True)
    started = time.monotonic()

    def on_step(step: str) -> None:
        errors.print(f"{time.monotonic() - started:4.0f} s  {step}", highlight=False)

    server = find_server() if arguments.server is None else arguments.server
    try:
        rows, facts = compare(
            [PEERS[name] for name in arguments.only], effort, None if server == EMBEDDED else server, on_step
        )
    except RtpError as error:
        errors.print(f"Error: {error}", style="red", highlight=False)
        return 2
    _print(rows, facts, effort, as_json=arguments.json)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.peers", description="Compare rtp with its peers.")
    parser.add_argument("--rate", type=_rate, default=1000, help="updates per second for detection (default 1000)")
    parser.add_argument("--seconds", type=_seconds, default=10, help="of detection, per peer (default 10)")
    parser.add_argument(
        "--turns", type=_turns, default=2, help="flat out, per peer, each between two of the bare table (default 2)"
    )
    parser.add_argument(
        "--only", type=_names, default=list(PEERS), metavar="NAMES", help=f"some of: {', '.join(PEERS)} (default all)"
    )
    parser.add_argument(
        "--server",
        type=_server,
        metavar="FOLDER",
        help=f"a PostgreSQL's programs, or '{EMBEDDED}' (default: one that has PgQ, else the embedded one)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args()


def _rate(text: str) -> float:
    if not 1 <= (rate := float(text)) <= 100_000:
        raise argparse.ArgumentTypeError("must be between 1 and 100000")
    return rate


def _seconds(text: str) -> int:
    if not 1 <= (seconds := int(text)) <= 300:
        raise argparse.ArgumentTypeError("must be between 1 and 300")
    return seconds


def _turns(text: str) -> int:
    if not 1 <= (turns := int(text)) <= 20:
        raise argparse.ArgumentTypeError("must be between 1 and 20")
    return turns


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        raise argparse.ArgumentTypeError(f"no peer is called {unknown[0]!r}. There are {', '.join(PEERS)}")
    return names


def _server(text: str) -> Path | str:
    return text if text == EMBEDDED else Path(text)


def _print(rows: Sequence[Figures], facts: Mapping[str, str], effort: Effort, *, as_json: bool) -> None:
    if as_json:
        document = {
            "rate": effort.rate,
            "seconds": effort.seconds,
            "machine": facts,
            "peers": [asdict(r) for r in rows],
        }
        print(json.dumps(document))
        return
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(table_of(rows, effort.rate))
    console.print("\n".join(f"{name}: {value}" for name, value in facts.items()), highlight=False)


if __name__ == "__main__":
    sys.exit(main())
