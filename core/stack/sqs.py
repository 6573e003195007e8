"""The embedded SQS endpoint: ministack, which can serve other AWS services as well."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.own_python import own_module, with_own_path
from core.stack import binaries
from core.stack.ports import LOOPBACK
from core.stack.process import ServerProcess
from core.stack.supervisor import Supervisor

REGION = "us-east-1"
ACCESS_KEY_ID = "rtp"
SECRET_ACCESS_KEY = "rtp"  # noqa: S105  (no secret: the endpoint takes any)


class SqsServer(ServerProcess):
    """Ministack with the given AWS services (`sqs`, `dynamodb`, `lambda`, ...). A stop loses its queues."""

    name = "SQS"

    def __init__(self, folder: Path, port: int, supervisor: Supervisor, *, services: Sequence[str]) -> None:
        super().__init__(folder, port, supervisor)
        self._services = tuple(services)

    @property
    def endpoint_url(self) -> str:
        """The address for boto3's `endpoint_url`."""
        return f"http://{LOOPBACK}:{self.port}"

    def begin(self) -> None:
        """Start the server and return at once."""
        binaries.require_ministack()
        self.spawn()

    def command(self) -> list[str]:
        """See ServerProcess."""
        return own_module("core.stack.sqs_server")

    def environment(self) -> Mapping[str, str]:
        """Ours alone: none of the user's AWS credentials, and nothing that opens a port besides the one.

        DOCKER_HOST: at start and end ministack removes containers that it takes for its own from the user's
        Docker, where it finds one. It must not find it.
        """
        home = str(self.folder)
        return {
            **with_own_path(super().environment()),
            "HOME": home,
            "TMPDIR": home,
            "STATE_DIR": f"{home}/state",
            "S3_DATA_DIR": f"{home}/s3",
            "BIND_HOST": LOOPBACK,
            "MINISTACK_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "SERVICES": ",".join(self._services),
            "LOG_LEVEL": "WARNING",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{home}/no-docker",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def answers(self) -> bool:
        """Whether the health page is served."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(b"GET /_ministack/health HTTP/1.0\r\n\r\n")
                with connection.makefile("rb") as answer:
                    return b" 200 " in answer.readline()
        except OSError:
            return False
