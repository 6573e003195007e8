"""Where what runs writes its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from constructs import Construct


def log_group(scope: Construct, key: kms.IKey, name: str = "Log") -> logs.LogGroup:
    """A log that is encrypted, kept for a month, and removed with what writes it."""
    return logs.LogGroup(
        scope,
        name,
        encryption_key=key,
        retention=logs.RetentionDays.ONE_MONTH,
        removal_policy=RemovalPolicy.DESTROY,
    )
