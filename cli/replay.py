"""`rtp replay`: do again what Lambda gave up."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.failures import open_replayer, print_failures, show_replayed
from cli.options import AsJson, Config, RedisUrl, SqsEndpointUrl, settings_from
from core.handler.services import stream_services
from core.letters.boxes import failure_queue

_Failures = Annotated[
    str, typer.Option("--failures", metavar="QUEUE", help="The name of the queue that Lambda's failures go to.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what lies there.")]


def replay(
    failures: _Failures,
    dry_run: _DryRun = False,
    config: Config = None,
    redis_url: RedisUrl = None,
    sqs_endpoint_url: SqsEndpointUrl = None,
    as_json: AsJson = False,
) -> None:
    """Process the records again that Lambda gave up, and rtp's own dead letters of the same queue.

    Records are read from the stream, which has them for 24 hours; later, what the table holds now is judged, and what
    cannot be known any more is said. The Lambda may run meanwhile: what was judged is passed over, and nothing is told
    twice. A message is deleted once its records are done. Exit code 1 where one stays.

    Examples:
    [bold]rtp replay --failures rtp-failures --config rtp.yaml[/]

    [bold]rtp replay --failures rtp-failures --dry-run --json --config rtp.yaml[/]
    """
    settings = settings_from(config, redis__url=redis_url, sqs__endpoint_url=sqs_endpoint_url)
    box = failure_queue(settings, failures)
    with stream_services(settings) as services, box.hold() as found:
        if dry_run:
            print_failures([failure for failure, _ in found], as_json=as_json)
            return
        is_done = show_replayed(open_replayer(services).replay(box, found), as_json=as_json)
    if not is_done:
        raise typer.Exit(1)
