"""What `rtp run` says while it runs, on standard error: sentences for people, or a JSON document a line for machines.

Both show the same records. A record may carry `facts`, which become keys of the JSON document, and `shown`, which
people see instead of the message.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.option_values import choice
from cli.output import err, print_problem
from core.errors import RtpError
from core.problem import Problem
from rtp_client.event import format_time
from rtp_client.secrets import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG = logging.getLogger("rtp")
_STYLES = {logging.DEBUG: "dim", logging.INFO: "", logging.WARNING: "yellow"}


LogFormat = Annotated[
    str,
    typer.Option(
        "--log-format",
        parser=choice("--log-format", ("text", "json")),
        metavar="text|json",
        envvar="RTP_LOG_FORMAT",
        help="How standard error speaks: text for people, json for machines, a document a line.",
    ),
]
LogLevel = Annotated[
    str,
    typer.Option(
        "--log-level",
        parser=choice("--log-level", ("debug", "info", "warning", "error")),
        metavar="LEVEL",
        envvar="RTP_LOG_LEVEL",
        help="The least that is worth a line: debug (every batch), info, warning or error.",
    ),
]


def report(problem: Problem) -> None:
    """Log what some part of rtp tells; for `on_problem`."""
    LOG.getChild(problem.component).log(problem.level, "%s", problem.text, extra={"facts": problem.facts})


def warn(text: str) -> None:
    """Log something that somebody should look at."""
    LOG.warning("%s", text)


def say(text: str) -> None:
    """Log something by the way."""
    LOG.info("%s", text)


def write_line(document: str) -> None:
    """Write a line that is made for machines, whatever the log's format is."""
    sys.stderr.write(f"{document}\n")
    sys.stderr.flush()


@contextmanager
def logging_as(log_format: str, level: str) -> Iterator[None]:
    """Within, records go to standard error so. In JSON everything does: libraries' words, and rtp's own end, too."""
    is_json = log_format == "json"
    handler = _JsonHandler(sys.stderr) if is_json else _TextHandler()
    home = logging.getLogger() if is_json else LOG
    before = LOG.level, threading.excepthook
    LOG.setLevel(level.upper())
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # rtp itself says where connections were lost
    home.addHandler(handler)
    if is_json:
        logging.captureWarnings(True)
        threading.excepthook = _log_uncaught
    try:
        yield
    except RtpError as error:
        if not is_json:
            raise
        for line in str(error).splitlines():
            LOG.log(logging.ERROR, "%s", line)
        raise typer.Exit(2) from error
    finally:
        home.removeHandler(handler)
        logging.captureWarnings(False)
        LOG.setLevel(before[0])
        threading.excepthook = before[1]


def _log_uncaught(failure: threading.ExceptHookArgs) -> None:
    name = failure.thread.name if failure.thread else "unknown"
    LOG.error("thread %s failed: %s", name, without_secrets(repr(failure.exc_value)))


class _TextHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """A line, or what the record wants to have shown instead."""
        renderable = getattr(record, "shown", None)
        if renderable is not None:
            err.print(renderable)
        else:
            style = _STYLES.get(record.levelno, "red")
            print_problem(f"{record.getMessage()}{_event_ids(record)}", style=style)


class _JsonHandler(logging.StreamHandler[Any]):
    def format(self, record: logging.LogRecord) -> str:
        """The record as one JSON document."""
        document = {
            "time": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            document["exception"] = without_secrets(repr(record.exc_info[1]))
        return json.dumps(document, default=str)


def _event_ids(record: logging.LogRecord) -> str:
    facts = getattr(record, "facts", {})
    ids = facts.get("event_ids")
    if not ids:
        return ""
    more = facts["events"] - len(ids)
    return f" ({', '.join(ids)}{f' and {more:,} more' if more else ''})"
