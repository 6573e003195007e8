"""boto3's client for SQS."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.httpsession import get_cert_path

from core.services.aws_words import no_client

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_sqs import SQSClient

    from core.settings.models import SqsSettings


def sqs_client(settings: SqsSettings, *, wait_seconds: float | None = None) -> SQSClient:
    """A boto3 client that leaves retrying to rtp. Credentials come from AWS's own chain unless given.

    It waits `sqs.timeout_seconds` for an answer, or less where `wait_seconds` is less.

    Raises SettingsError where boto3 cannot make one: it knows no region, or no credentials can be had.
    """
    seconds = shorter(settings, wait_seconds)
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=seconds,
        read_timeout=seconds,
        parameter_validation=False,
        user_agent="rtp",  # botocore would put its own together anew for each request: a seventh of all it does
    )
    try:
        client = aws_session().create_client(
            "sqs", endpoint_url=settings.endpoint_url, region_name=settings.region, config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise no_client("SQS", error, section="sqs") from None  # what it says may hold a secret
    return cast("SQSClient", client)


def shorter(settings: SqsSettings, wait_seconds: float | None) -> float:
    """How long to wait for an answer: as the settings allow, or less."""
    return min(settings.timeout_seconds, wait_seconds or settings.timeout_seconds)


@cache
def aws_session() -> Session:
    """Where all of rtp's clients for SQS have their credentials from: AWS's own chain, asked once."""
    return botocore.session.get_session()


def certificates() -> Path:
    """The file of certificate authorities, found as botocore finds it (`EndpointCreator`, `URLLib3Session`)."""
    named = aws_session().get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    return Path(named or get_cert_path(verify=True) or "").expanduser()
