"""`make peers`: rtp beside its peers, in one run. docs/explanation/peers.md says what the columns mean."""

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
from loadtests.benchmarks.peers.comparison import compare, find_server
from loadtests.benchmarks.peers.contest import Effort
from loadtests.benchmarks.peers.entrants import PEERS
from loadtests.benchmarks.peers.figures import table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadtests.benchmarks.peers.figures import Figures

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
        errors.print(f"Error: {error}", style="red", highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        errors.print("Interrupted: nothing is left running, and nothing was measured to its end")
        return 130
    _print(rows, facts, effort, as_json=arguments.json)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.benchmarks.peers",
        description="Compare rtp with other ways to learn of changes in PostgreSQL.",
        epilog="Example: python -m loadtests.benchmarks.peers --only rtp,notify --seconds 5",
    )
    parser.add_argument(
        "--rate", type=_between(float, 1, 100_000), default=1000, help="of detection, updates per second (1000)"
    )
    parser.add_argument("--seconds", type=_between(int, 1, 300), default=10, help="of detection, per peer (10)")
    parser.add_argument(
        "--turns",
        type=_between(int, 1, 20),
        default=2,
        help="flat out, each between two of the bare table (2)",
    )
    parser.add_argument(
        "--only", type=_names, default=list(PEERS), metavar="NAMES", help=f"some of: {', '.join(PEERS)} (all)"
    )
    parser.add_argument(
        "--server",
        type=_server,
        metavar="FOLDER",
        help=f"a PostgreSQL's programs, or '{EMBEDDED}' (default: one that has PgQ, else the embedded one)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args()


def _between(convert: Callable[[str], float], lowest: int, highest: int) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"must be a number between {lowest} and {highest:,}, not {text!r}")
        return value

    return parse


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
