"""`rtp notify`: telling people in the foreground, until stopped, idle, or out of time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.foreground import IDLE_SECONDS, STUCK_SECONDS, Ending, end_unreached
from cli.logs import LOG, LogFormat, LogLevel, logging_as, say, warn, write_line
from cli.notify.dry_run import dry_run
from cli.notify.extra import make_notifier
from cli.notify.found_there import warn_of_what_is_there
from cli.notify.message_lines import MessageLines
from cli.notify.try_out import try_out
from cli.option_values import duration
from cli.options import AsJson, Config, Http, RedisUrl, SqsEndpointUrl, Stack, settings_from
from cli.promptness import be_prompt
from cli.running_demo import use_demo_if_unnamed
from cli.signals import noting_signals
from core.errors import SettingsError, SinkUnavailable
from core.monitor.notify_monitor import NotifyMonitor
from core.problem import counted

if TYPE_CHECKING:
    from core.notify.notifier import Notifier
    from core.notify.outcome import MessageOutcome

_TICK_SECONDS = 0.1

_For = Annotated[
    float | None,
    typer.Option("--for", parser=duration("--for"), metavar="DURATION", help="End by itself after this: 30s."),
]
_UntilIdle = Annotated[
    bool, typer.Option("--until-idle", help="End by itself once nothing is left that can be told within a minute.")
]
_From = Annotated[
    Literal["sqs", "stream"] | None,
    typer.Option(
        "--from",
        help="Take alerts from SQS, or every event from the Redis stream. Default: sqs where there is a queue.",
    ),
]
_Queues = Annotated[
    list[str] | None,
    typer.Option(
        "--queue",
        metavar="NAME",
        help="Take from this queue only; may be given several times. Default: sqs.queue where that gets every alert,"
        " else all queues of the settings.",
    ),
]
_Test = Annotated[
    str | None,
    typer.Option(
        "--test",
        metavar="NAME",
        help="Only tell this destination, or all of an audience, of something that has not happened, and end.",
    ),
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only print the messages that the newest events would become, and end.")
]


def notify_command(
    context: typer.Context,
    config: Config = None,
    from_: _From = None,
    queue: _Queues = None,
    for_: _For = None,
    until_idle: _UntilIdle = False,
    test: _Test = None,
    is_dry_run: _DryRun = False,
    redis_url: RedisUrl = None,
    sqs_endpoint_url: SqsEndpointUrl = None,
    http: Http = None,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Tell people of alerts as `notify` in the settings says: Telegram, Slack, e-mail, wherever Apprise reaches.

    Each alert is told once, and in order per entity. What a service does not take waits in Redis, and is told later by
    this process or another: any number of them share the destinations. What can never be told is a dead letter: see
    [bold]rtp dlq[/]. Ctrl-C finishes the messages under way. Exit code 1 where --for or --until-idle ends without
    having reached a service, with --until-idle nothing could be told for a minute, or --test was not accepted.

    Examples:
    [bold]rtp notify --config rtp.yaml[/]

    [bold]rtp notify --test desk --config rtp.yaml[/]

    [bold]rtp notify --from stream --until-idle --config rtp.yaml[/]
    """
    if context.invoked_subcommand is not None:
        return
    with logging_as(log_format, log_level), noting_signals() as stop_requested:
        settings = settings_from(
            config, stack=stack, redis__url=redis_url, sqs__endpoint_url=sqs_endpoint_url, http__listen=http
        )
        if test is not None:
            if not try_out(settings, test, as_json=as_json):
                raise typer.Exit(1)
            return
        settings = use_demo_if_unnamed(settings, "Redis")
        if is_dry_run:
            dry_run(settings, as_json=as_json)
            return
        if not settings.notify:
            raise SettingsError(
                "the settings name nobody who is to be told",
                "Say under notify: who, where and of what, as in configs/default.yaml",
            )
        lines = MessageLines(settings.all_kinds, as_json=as_json)
        monitor = NotifyMonitor(settings, is_alone=True, write=write_line)

        def on_outcome(outcome: MessageOutcome) -> None:
            monitor.observe(outcome)
            lines.show(outcome)

        notifier = make_notifier(settings, from_, queue or (), on_outcome=on_outcome)
        _run(notifier, monitor, lines, Ending(for_, until_idle), stop_requested)


def _run(
    notifier: Notifier, monitor: NotifyMonitor, lines: MessageLines, ending: Ending, stop_requested: threading.Event
) -> None:
    be_prompt()
    say(f"Telling {', '.join(notifier.tellers)} of alerts from {notifier.place}")
    if monitor.url:
        say(f"HTTP {monitor.url}/metrics, /healthz, /readyz")
    warn_of_what_is_there(notifier)
    notifier.start()
    monitor.start(notifier)
    try:
        in_the_way = _watch(notifier, lines, ending, stop_requested)
        never_reached = notifier.never_reached()
        if stop_requested.is_set():
            say("Finishing the messages under way ...")
    finally:
        has_ended = notifier.stop()
        monitor.stop()
    if not has_ended:
        warn("A message was under way when rtp ended: it is told again by the next rtp notify.")
    facts = {word.replace(" ", "_"): count for word, count in sorted(lines.counts.items())}
    told = counted(lines.counts["told"], "alert")
    messages = counted(lines.counts["told messages"], "message")
    LOG.info("Stopped. Told %s in %s.", told, messages, extra={"facts": facts})
    if in_the_way:
        LOG.error("Gave up after %g s in which nothing was told. In the way: %s.", STUCK_SECONDS, in_the_way)
        LOG.error("What waits stays in Redis, and is told by the next rtp notify.")
        raise typer.Exit(1)
    if ending.is_given and never_reached:
        end_unreached(never_reached)


def _watch(notifier: Notifier, lines: MessageLines, ending: Ending, stop_requested: threading.Event) -> str:
    """Until the ending. Returns what was in the way of being idle, where that has lasted for too long."""
    started = moved = time.monotonic()
    done = None
    while not stop_requested.wait(_TICK_SECONDS):
        now = time.monotonic()
        if ending.after_seconds is not None and now - started >= ending.after_seconds:
            break
        if not ending.when_idle:
            continue
        if (counts := (notifier.taken, lines.done)) != done:
            done, moved = counts, now
        try:
            if notifier.is_idle(IDLE_SECONDS):
                break
        except SinkUnavailable:
            pass
        if now - moved >= STUCK_SECONDS:
            return "; ".join(notifier.hindrances()) or "another process has the destinations"
    return ""
