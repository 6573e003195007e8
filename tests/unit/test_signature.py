"""The signature of a request to AWS is the one that botocore gives it."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from core.services.signature import signed_headers

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
HEADERS = {
    "content-type": "application/x-amz-json-1.0",
    "host": "sqs.eu-west-1.amazonaws.com",
    "x-amz-target": "AmazonSQS.SendMessageBatch",
    "x-amzn-query-mode": "true",
}


def signature_of_botocore(credentials: ReadOnlyCredentials, body: bytes, path: str) -> str:
    request = AWSRequest("POST", f"https://{HEADERS['host']}{path}", dict(HEADERS), body)
    with patch("botocore.auth.get_current_datetime", lambda: NOON.replace(tzinfo=None)):
        SigV4Auth(credentials, "sqs", "eu-west-1").add_auth(request)
    return str(request.headers["Authorization"])


@pytest.mark.parametrize("token", [None, "a/token+of=a session"])
@pytest.mark.parametrize(
    ("body", "path"), [(b'{"a": "\xc3\xa4"}', "/"), (b"", "/behind/a~proxy"), (b"x" * 9000, "/ä b")]
)
def test_it_is_botocores(body: bytes, path: str, token: str | None) -> None:
    credentials = ReadOnlyCredentials("KEY", "s/e+cret", token)
    headers = signed_headers(
        HEADERS, body, path=path, region="eu-west-1", service="sqs", credentials=credentials, at=NOON.timestamp()
    )
    assert headers["authorization"] == signature_of_botocore(credentials, body, path)


def test_it_is_another_one_the_next_day_and_for_another_secret() -> None:
    def signature(secret: str, at: float) -> str:
        credentials = ReadOnlyCredentials("KEY", secret, None)
        return signed_headers(
            HEADERS, b"", path="/", region="eu-west-1", service="sqs", credentials=credentials, at=at
        )["authorization"]

    noon = NOON.timestamp()
    assert len({signature("one", noon), signature("one", noon + 86_400), signature("two", noon)}) == 3
