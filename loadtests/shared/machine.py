"""Facts about the machine and the servers, for whoever reads the figures elsewhere."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from core.own_version import own_version
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    import psycopg


def machine_facts(connection: psycopg.Connection, redis_url: str | None) -> dict[str, str]:
    """Names and values, fit for print."""
    processor = _from_proc("cpuinfo", "model name") or platform.processor() or platform.machine()
    facts = {
        "CPU": f"{os.cpu_count()} x {processor}",
        "memory": _memory(),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "rtp": own_version(),
        "PostgreSQL": _setting(connection, "server_version"),
        "durable commits": _setting(connection, "synchronous_commit") + ", fsync " + _setting(connection, "fsync"),
    }
    if redis_url:
        with redis_client(redis_url) as client:
            server = client.info("server")
            name = server.get("server_name", "redis")
            facts["Redis"] = f"{name} {server.get(f'{name}_version', server['redis_version'])}"
    return facts


def _setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else ""


def _memory() -> str:
    kilobytes = _from_proc("meminfo", "MemTotal").partition(" ")[0]
    return f"{int(kilobytes) / 1e6:.1f} GB" if kilobytes.isdigit() else "?"


def _from_proc(file: str, name: str) -> str:
    path = Path("/proc") / file
    if not path.exists():
        return ""
    lines = (line.partition(":") for line in path.read_text(errors="replace").splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")
