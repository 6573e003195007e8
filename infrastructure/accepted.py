"""Findings of cdk-nag that are accepted, each with its reason, beside the resource that it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Validations

if TYPE_CHECKING:
    from constructs import IConstruct

ROTATED_BY_CHOICE = "rtp reads the secret again once its password is refused; a team attaches AWS's rotation"
PACKAGED_FOR = "the Python that the code's wheels and bytecode were packaged for, which the plan names"
_KMS = "an AWS service makes and changes data keys with the stack's own key, and no other key is named"


def accept(where: IConstruct, rule: str, reason: str) -> None:
    """Accept what a rule finds at a construct and below it."""
    Validations.of(where).acknowledge(Acknowledgment(id=f"AwsSolutions::{rule}", reason=reason))


def accept_warning(where: IConstruct, warning: str, reason: str) -> None:
    """Accept what the CDK itself warns of."""
    Validations.of(where).acknowledge(Acknowledgment(id=f"Annotation::@aws-cdk/{warning}", reason=reason))


def accept_key_use(where: IConstruct) -> None:
    """The grants of the CDK end in a wildcard: GenerateDataKey and GenerateDataKeyWithoutPlaintext."""
    for action in ("kms:ReEncrypt*", "kms:GenerateDataKey*"):
        accept(where, f"AwsSolutions-IAM5[Action::{action}]", _KMS)


def accept_tracing(where: IConstruct) -> None:
    """Whoever is traced may send traces; X-Ray has no narrower resource for them."""
    accept(where, "AwsSolutions-IAM5[Resource::*]", "X-Ray takes no narrower resource for traces")
