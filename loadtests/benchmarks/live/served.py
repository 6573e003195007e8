"""`rtp serve` as users run it: a process of its own, which can be killed and started again on its port."""

from __future__ import annotations

import http.client
import json
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from core.errors import RtpError
from core.own_python import own_module
from core.stack.ports import free_port
from loadtests.shared.process import Process
from loadtests.shared.rtp_run import addresses_of, environ_without_addresses, write_config
from loadtests.shared.usage import Usage, usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.models import Settings

_START_SECONDS = 30
_END_SECONDS = 30
_LOOK_SECONDS = 0.01


class Served:
    """Started by `with`. `limits` are those of the settings' section `serve`."""

    def __init__(self, settings: Settings, limits: Mapping[str, Any]) -> None:
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="rtp-serve-")
        config = Path(self._folder.name, "rtp.yaml")
        write_config(settings, config)
        document = json.loads(config.read_text(encoding="utf-8"))
        document["serve"] = {"listen": f"127.0.0.1:{self.port}", "limits": dict(limits)}
        config.write_text(json.dumps(document), encoding="utf-8")
        self._command = own_module("cli", "serve", "--config", str(config))
        self._environ = environ_without_addresses() | addresses_of(settings)
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end(signal.SIGTERM)
        self._folder.cleanup()

    def start(self) -> float:
        """Start it, and wait until it is ready; how long that took."""
        started = time.perf_counter()
        self._process = Process(self._command, self._environ)
        while not self._is_ready():
            if self._process.exit_code is not None:
                raise RtpError(f"rtp serve {self._process.how_it_ended()}")
            if time.perf_counter() - started > _START_SECONDS:
                raise RtpError(f"rtp serve was not ready within {_START_SECONDS} s")
            time.sleep(_LOOK_SECONDS)
        return time.perf_counter() - started

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def usage(self) -> Usage:
        """CPU seconds so far, and memory now."""
        found = usage(self._process.pid) if self._process is not None else None
        assert found is not None
        return found

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.end(number, _END_SECONDS)
            self._process = None

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()
