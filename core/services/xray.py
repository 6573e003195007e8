"""Steps of a Lambda's invocation, told to AWS X-Ray: subsegments, sent to the daemon that Lambda runs beside it.

Lambda says in two variables whether an invocation is traced, and where the daemon listens. The daemon takes a JSON
document in a UDP packet, so none of AWS's libraries for it is needed, and nobody waits for anybody.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HEADER = b'{"format":"json","version":1}\n'


@contextmanager
def subsegment(name: str) -> Iterator[dict[str, int | str]]:
    """Within, something takes its time; what is put into the mapping becomes the step's annotations, to search by.

    An invocation that is not traced pays for reading a variable.
    """
    annotations: dict[str, int | str] = {}
    trace = _sampled(os.environ.get("_X_AMZN_TRACE_ID", ""))
    if trace is None:
        yield annotations
        return
    document: dict[str, Any] = {
        "name": name,
        "type": "subsegment",
        "id": secrets.token_hex(8),
        "trace_id": trace["Root"],
        "parent_id": trace["Parent"],
        "start_time": time.time(),
    }
    try:
        yield annotations
    except BaseException:
        document["fault"] = True
        raise
    finally:
        document["end_time"] = time.time()
        if annotations:
            document["annotations"] = annotations
        _send(document)


def _sampled(header: str) -> Mapping[str, str] | None:
    """The parts of `Root=…;Parent=…;Sampled=1`; None where the invocation is not traced."""
    parts = dict(part.split("=", 1) for part in header.split(";") if "=" in part)
    return parts if parts.get("Sampled") == "1" and {"Root", "Parent"} <= parts.keys() else None


def _send(document: Mapping[str, Any]) -> None:
    host, _, port = os.environ.get("AWS_XRAY_DAEMON_ADDRESS", "").rpartition(":")
    with suppress(OSError, ValueError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(_HEADER + json.dumps(document).encode(), (host, int(port)))
