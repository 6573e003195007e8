"""Whatever stands in a secret, and whatever a library or a server makes of it: nothing that rtp says repeats it."""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from core.services.sqs_client import aws_session
from core.settings.models import Settings, postgres_dsn
from tests.effort import IS_LONG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.command import Command

BEGIN, END = "Zq7x9", "Xw9K2"
NEVER_SHOWN = (BEGIN, END, "Signature=", "Traceback")
AWS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
PLACES = (*AWS, "PGPASSWORD", "postgres", "redis", "endpoint", "proxy", "webhook", "signing", "header")
CONFIG = """
webhook: {url: {env: HOOK}, secrets: [{env: SIGNING}], headers: {Authorization: {env: HEADER}}}
watches: {tvl: {kind: tvl, table: tvl, columns: {chain: chain, protocol: protocol, value: tvl_usd}}}
"""

secrets = st.text(st.sampled_from("\r\n\t '\"\\%@:/#?&=[]{}0Aé\N{BLOWFISH}\x01"), max_size=5).map(
    lambda text: f"{BEGIN}{text}{END}"
)


def environment(settings: Settings, found: Mapping[str, str], *, is_encoded: bool) -> dict[str, str]:
    """Variables with these secrets in their places, raw or percent-encoded in addresses; elsewhere all is well."""
    encoded = {place: quote(text, safe="") if is_encoded else text for place, text in found.items()}
    dsn, redis_url = postgres_dsn(settings), settings.redis.url or ""
    variables = {
        "RTP_POSTGRES_DSN": dsn,
        "RTP_REDIS_URL": redis_url,
        "RTP_SQS_ENDPOINT_URL": settings.sqs.endpoint_url or "",
        "RTP_SQS_QUEUE": settings.sqs.queue or "",
        "HOOK": "http://127.0.0.1:1/",
        "SIGNING": f"whsec_{'A' * 32}",
        "HEADER": "Bearer x",
    }
    server = dsn.rpartition("@")[2]
    parts = {
        "PGPASSWORD": {"RTP_POSTGRES_DSN": f"postgresql://rtp@{server}"},
        "postgres": {"RTP_POSTGRES_DSN": f"postgresql://rtp:{encoded.get('postgres')}@{server}"},
        "redis": {"RTP_REDIS_URL": f"redis://:{encoded.get('redis')}@{redis_url.rpartition('@')[2]}"},
        "endpoint": {
            "RTP_SQS_ENDPOINT_URL": "",
            "AWS_ENDPOINT_URL_SQS": f"http://u:{encoded.get('endpoint')}@127.0.0.1:1",
        },
        "proxy": {
            "RTP_SQS_ENDPOINT_URL": "http://sqs.example:1",
            "http_proxy": f"http://u:{encoded.get('proxy')}@127.0.0.1:1",
        },
        "webhook": {"HOOK": f"http://u:{encoded.get('webhook')}@127.0.0.1:1/{encoded.get('webhook')}"},
        "signing": {"SIGNING": found.get("signing", "")},
        "header": {"HEADER": f"Bearer {found.get('header')}"},
    }
    for place, text in found.items():
        variables |= parts.get(place, {})
        if place.isupper():
            variables[place] = text
    return variables


@contextmanager
def own_environment() -> Iterator[None]:
    """What an example sets is not for the next one."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def said(command: Command, environ: Mapping[str, str], *arguments: str) -> str:
    aws_session.cache_clear()  # or it would know the credentials of before
    done = command(*arguments, environ=environ)
    return f"{done.out}{done.err}"


@effort(max_examples=200 if IS_LONG else 4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.dictionaries(st.sampled_from(PLACES), secrets, min_size=1, max_size=4), is_encoded=st.booleans())
@example(found=dict.fromkeys(AWS, f"{BEGIN}\r{END}"), is_encoded=False)
@example(found=dict.fromkeys(("endpoint", "redis", "webhook"), f"{BEGIN}@{END}"), is_encoded=False)
@example(found=dict.fromkeys(("postgres",), f"{BEGIN}@{END}"), is_encoded=False)
@example(found=dict.fromkeys(("proxy", "PGPASSWORD", "redis"), f"{BEGIN}\N{BLOWFISH}'\\{END}"), is_encoded=True)
def test_no_command_shows_a_secret(
    command: Command,
    settings: Settings,
    tmp_path: Path,
    found: Mapping[str, str],
    is_encoded: bool,
) -> None:
    with own_environment():
        config = tmp_path / "rtp.yaml"
        config.write_text(CONFIG)
        environ = environment(settings, found, is_encoded=is_encoded)
        text = "".join(
            said(command, environ, *arguments, "--config", str(config))
            for arguments in (
                ("validate",),
                ("status", "--json"),
                ("run", "--for", "0.05s", "--json", "--log-format", "json"),
                ("dlq", "list"),
            )
        )
    assert [part for part in NEVER_SHOWN if part in text] == []


@pytest.mark.parametrize("spelling", ["raw", "double", "alias", "unknown key"])
def test_no_fault_of_the_settings_file_shows_a_secret(command: Command, tmp_path: Path, spelling: str) -> None:
    secret = f"{BEGIN}'\"\\ : {{@{END}"
    lines = {
        "raw": f"redis:\n  url: redis://:{secret}@h\n",
        "double": f'postgres:\n  dsn: "postgresql://u:{secret}@h"\n',
        "alias": f"redis: {{url: *{secret}}}\n",
        "unknown key": f"redis:\n  urll: redis://:{BEGIN}{END}@h\n",
    }
    config = tmp_path / "rtp.yaml"
    config.write_text(lines[spelling])
    done = command("validate", "--config", str(config))
    assert (done.code, [part for part in NEVER_SHOWN if part in done.out + done.err]) == (2, [])


# Servers that repeat what they get


class _RepeatingRedis(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        got = self.connection.recv(65_536).decode(errors="replace").split("\r\n")
        self.wfile.write(f"-ERR unknown command 'AUTH', with args beginning with: {' '.join(got)}\r\n".encode())


class _RepeatingSqs(http.server.BaseHTTPRequestHandler):
    message: ClassVar[str] = "The request signature we calculated does not match. The Canonical String for this request"

    def do_POST(self) -> None:
        headers = "\n".join(f"{name}:{value}" for name, value in self.headers.items())
        error = {"__type": "com.amazonaws.sqs#SignatureDoesNotMatch", "message": f"{self.message}: {headers}"}
        body = json.dumps(error).encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


@contextmanager
def serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_redis_that_repeats_the_password_is_not_repeated(command: Command) -> None:
    with serving(_RepeatingRedis) as place:
        done = command("cache", "stats", "--redis-url", f"redis://:{BEGIN}%25{END}@{place}/0")
    assert (done.code, "unknown command 'AUTH'" in done.err, BEGIN in done.err) == (2, True, False)


def test_an_sqs_that_repeats_the_headers_is_not_repeated(command: Command, settings: Settings) -> None:
    environ = environment(settings, {"AWS_SESSION_TOKEN": f"{BEGIN}/+={END}"}, is_encoded=False)
    with serving(_RepeatingSqs) as place:
        text = said(command, environ | {"RTP_SQS_ENDPOINT_URL": f"http://{place}"}, "dlq", "list")
    assert "SignatureDoesNotMatch" in text
    assert [part for part in NEVER_SHOWN if part in text] == []
