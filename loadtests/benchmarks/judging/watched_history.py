"""Two history tables beside the demo's, watched with the defaults, and what is appended to them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.services.postgres import queries
from core.settings.watches import watch_model
from core.stack.ports import LOOPBACK, free_port
from loadtests.benchmarks.judging.judged import JudgedCount
from loadtests.benchmarks.pgbench import Pgbench
from loadtests.benchmarks.watched_demo import watched_demo, without_queue
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from core.settings.models import Settings
    from loadtests.benchmarks.watched_demo import WatchedDemo
    from loadtests.shared.rtp_run import RtpRun

QUERIES = queries("loadtests.benchmarks.judging", "samples.sql")
ENTITIES = 1000
_WATCH = {
    "kind": "tvl",
    "shape": "history",
    "columns": {"chain": "chain", "protocol": "protocol", "value": "tvl_usd", "changed_at": "at"},
}
_WRITERS = 4


@dataclass(frozen=True)
class WatchedHistory:
    """The demo with two more watches, `history` and its `neighbour`; `settings` name Redis as the only sink."""

    demo: WatchedDemo
    settings: Settings

    def append(self, kind: str, samples: int) -> None:
        """Append so many samples in one statement; `kind` is quiet or significant."""
        self.demo.connection.execute(QUERIES[f"append_{kind}"], {"samples": samples})

    def start_appending(self, kind: str, rate: int, seconds: int) -> subprocess.Popen[str]:
        """Append one by one, each in a transaction of its own, so many a second; for `pgbench.finish` to wait for.

        `kind` is quiet or significant, or `to_neighbour`, which is significant, too.
        """
        writer = Pgbench(self.demo.addresses.postgres_dsn, ENTITIES, clients=_WRITERS)
        return writer.start(QUERIES[f"append_one_{kind}"].decode(), seconds, rate)

    @contextmanager
    def rtp(self) -> Iterator[tuple[RtpRun, JudgedCount]]:
        """`rtp run`, and how many samples it has judged."""
        place = f"{LOOPBACK}:{free_port()}"
        with self.demo.rtp(self.settings, "--http", place) as rtp:
            yield rtp, JudgedCount(place, rtp)

    def judge_all(self) -> None:
        """Have an `rtp run` judge and deliver what is there, until nothing is left."""
        with self.demo.rtp(self.settings, "--until-idle") as rtp:
            rtp.wait_until_it_ends(120)


@contextmanager
def watched_history() -> Iterator[WatchedHistory]:
    """Start it; every entity was seen, with the value 1000."""
    with watched_demo(ENTITIES) as demo:
        demo.connection.execute(QUERIES["create"])
        model = watch_model(demo.settings.all_kinds["tvl"])
        ours = {table: model.model_validate(_WATCH | {"table": table}) for table in ("history", "neighbour")}
        settings = demo.settings.model_copy(update={"watches": {**demo.settings.watches, **ours}})
        apply(demo.connection, plan_installation(demo.connection, settings))
        yield WatchedHistory(demo, without_queue(settings))
