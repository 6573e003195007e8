"""The users of a cache that is made, each with the least that its work needs.

Valkey compares the channel patterns of a subscriber with those of its rights letter by letter, so only `&*` lets a user
subscribe by any pattern. All channels of this cache are rtp's own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct

from infrastructure.accepted import ROTATED_BY_CHOICE, accept

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

_LISTENING = "+subscribe +psubscribe +unsubscribe +punsubscribe"
# For each user, the name that it logs in with, and its rights.
RIGHTS = {
    # INFO is among the dangerous commands: it tells that Redis was started anew.
    "rtp": "on ~rtp:* &* -@all +@read +@write +@scripting +@pubsub +@connection +time -@dangerous +info",
    "rtp-reader": f"on ~rtp:* &* -@all +@read +@connection +time {_LISTENING} -@dangerous",
    # A cache reader that fills in what is missing, and counts its reads. It can write to the cache's keys only.
    "rtp-cache": (
        "on ~rtp:cache* resetchannels -@all +@read +@connection +time +eval +evalsha +script|load +script|exists"
        " +hset +hsetnx +hincrby +del +pexpire +expire +zincrby +zremrangebyrank -@dangerous"
    ),
}


class CacheUsers(Construct):
    """One for each of the rights, with its password in a secret of its own.

    A user's id belongs to the account and region, so it starts with the stack's name.
    """

    def __init__(self, scope: Construct, name: str, key: kms.IKey) -> None:
        super().__init__(scope, name)
        self.secrets = {user: self._secret(user, key) for user in RIGHTS}
        users = [self._user(user, rights) for user, rights in RIGHTS.items()]
        self.group = elasticache.CfnUserGroup(
            self,
            "Group",
            engine="valkey",
            user_group_id=Stack.of(self).stack_name,
            user_ids=[user.user_id for user in users],
        )
        for user in users:
            self.group.node.add_dependency(user)

    def _secret(self, user: str, key: kms.IKey) -> secrets.Secret:
        """In the form that AWS's own function for the rotation of such passwords takes."""
        arn = Stack.of(self).format_arn(
            service="elasticache",
            resource="user",
            resource_name=self._user_id(user),
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        secret = secrets.Secret(
            self,
            f"Password-{user}",
            encryption_key=key,
            removal_policy=RemovalPolicy.DESTROY,
            generate_secret_string=secrets.SecretStringGenerator(
                secret_string_template=json.dumps({"username": user, "user_arn": arn}),
                generate_string_key="password",
                exclude_punctuation=True,
                password_length=48,
            ),
        )
        accept(secret, "AwsSolutions-SMG4", ROTATED_BY_CHOICE)
        return secret

    def _user(self, user: str, rights: str) -> elasticache.CfnUser:
        password = self.secrets[user].secret_value_from_json("password").unsafe_unwrap()
        return elasticache.CfnUser(
            self,
            f"User-{user}",
            engine="valkey",
            user_id=self._user_id(user),
            user_name=user,
            access_string=rights,
            authentication_mode={"Type": "password", "Passwords": [password]},
        )

    def _user_id(self, user: str) -> str:
        return f"{Stack.of(self).stack_name}-{user}"
