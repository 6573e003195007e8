"""A connection to another machine whose certificate nobody verifies is warned of, with what mends it."""

from __future__ import annotations

import pytest

from core.services.certificates import find_unverified
from core.settings.models import Settings

ANOTHER = "so another could answer in the server's place. Write sslmode=verify-full and sslrootcert=<the file of the"


def warnings(*, dsn: str | None = None, url: str | None = None) -> list[str]:
    watches = {"tvl": {"kind": "tvl", "table": "tvl", "columns": {"protocol": "p", "value": "v"}}}
    return list(
        find_unverified(Settings.model_validate({"watches": watches, "postgres": {"dsn": dsn}, "redis": {"url": url}}))
    )


@pytest.fixture(autouse=True)
def _no_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)


@pytest.mark.parametrize(
    ("dsn", "what"),
    [
        ("postgresql://rtp@db.example/defi", "PostgreSQL at db.example/defi: sslmode=prefer verifies no certificate"),
        ("host=db.example sslmode=require", "PostgreSQL at db.example: sslmode=require verifies no certificate"),
        ("host=db.example sslmode=verify-ca", "PostgreSQL at db.example: sslmode=verify-ca checks no host name"),
        ("host=/run/a,db.example dbname=x", "PostgreSQL at /run/a,db.example/x: sslmode=prefer verifies no"),
    ],
)
def test_postgres_that_could_be_another(dsn: str, what: str) -> None:
    (line,) = warnings(dsn=dsn)
    assert line.startswith(what)
    assert ANOTHER in line


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("redis://:x@cache.example:6379/0", "Redis at redis://:***@cache.example:6379/0 is not encrypted"),
        ("rediss://cache.example/0?ssl_cert_reqs=none", "ssl_cert_reqs=none verifies no certificate. Take it out"),
        ("rediss://cache.example/0?ssl_cert_reqs=optional", "ssl_cert_reqs=optional verifies no certificate"),
        ("rediss://cache.example/0?ssl_check_hostname=False", "ssl_check_hostname checks no host name"),
    ],
)
def test_a_redis_that_could_be_another(url: str, what: str) -> None:
    (line,) = warnings(url=url)
    assert what in line


@pytest.mark.parametrize(
    ("dsn", "url"),
    [
        ("postgresql://rtp@db.example/defi?sslmode=verify-full&secret=prod/rtp", "rediss://cache.example:6379/0"),
        ("postgresql://rtp@localhost/defi", "redis://127.0.0.1:6379/0"),
        ("host=/run/postgresql dbname=defi", "unix:///run/redis.sock"),
        (None, None),
    ],
)
def test_what_is_verified_or_on_this_machine_is_fine(dsn: str | None, url: str | None) -> None:
    assert warnings(dsn=dsn, url=url) == []
