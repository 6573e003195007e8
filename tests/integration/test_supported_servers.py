"""rtp does the whole way on the servers that are installed here beside the tests' own (docs/how-to/upgrade.md)."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from core.demo.tables import create_tables
from core.services.postgres import connect
from core.sinks.settings import load_settings
from core.stack import EmbeddedStack
from tests.default_document import default_document
from tests.leftovers import own_place
from tests.rtp_process import environ_of, rtp
from tests.standbys import in_log, in_stream, write

if TYPE_CHECKING:
    from collections.abc import Iterator

# As Debian and Ubuntu install them.
POSTGRES = {path.parts[-3]: path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))}
REDIS = shutil.which("redis-server") or shutil.which("valkey-server")


@pytest.fixture(params=sorted(POSTGRES) or ["the tests' own"])
def stack(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedStack]:
    """A stack of such servers, with the demo's tables."""
    if not POSTGRES and not REDIS:
        pytest.skip("no PostgreSQL, Redis or Valkey is installed here")
    if REDIS:
        monkeypatch.setenv("RTP_EMBEDDED_REDIS_BIN", REDIS)
    with own_place() as place:
        for name, value in place.environ.items():
            monkeypatch.setenv(name, value)
        with EmbeddedStack(durable=False, postgres_bin=POSTGRES.get(request.param)) as stack:
            with closing(connect(stack.addresses.postgres_dsn, role="test")) as connection:
                create_tables(connection)
                if request.param in POSTGRES:
                    assert connection.info.server_version // 10_000 == int(request.param)
            yield stack


def test_an_installed_server_carries_the_whole_way(stack: EmbeddedStack, tmp_path: Path) -> None:
    config = tmp_path / "rtp.yaml"
    document = default_document()
    del document["sqs"]
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    places = {"postgres.dsn": stack.addresses.postgres_dsn, "redis.url": stack.addresses.redis_url}
    settings = load_settings(config, environ={}, options=places)

    def rtp_says(command: str, *options: str) -> list[Any]:
        with rtp(command, "-c", str(config), "--json", *options, environ=environ_of(settings)) as process:
            assert process.end() == 0, process.err
            return process.documents

    rtp_says("install-triggers")
    with closing(connect(stack.addresses.postgres_dsn, role="test")) as writer:
        for value in range(1, 6):
            write(writer, value)
        rtp_says("run", "--until-idle")
        assert [entity for entity, _ in in_log(writer)] == ["p0"] * 4
        assert in_stream(settings) == in_log(writer)
    (status,) = rtp_says("status")
    assert {sink["sink"]: sink["lag_events"] for sink in status["sinks"]} == {"redis": 0}
