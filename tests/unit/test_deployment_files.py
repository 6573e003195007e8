"""What rtp is deployed with: each command in it is one that rtp understands, and none has more rights than needed."""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.main import get_command

from cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "rtp"}
MANIFESTS: list[dict[str, Any]] = [
    manifest
    for path in sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    if manifest["kind"] != "Kustomization"
]
PODS: dict[str, dict[str, Any]] = {
    manifest["metadata"]["name"]: manifest["spec"]["template"]["spec"]
    for manifest in MANIFESTS
    if manifest["kind"] in ("Deployment", "Job")
}
UNITS = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "deploy/systemd").glob("*.service")}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
HEALTHY = ROOT / "deploy/container/healthy.py"


def commands() -> dict[str, list[str]]:
    """Every command line of rtp's in these files, by where it stands."""
    found = {f"compose.yaml {name}": service["command"] for name, service in OURS.items() if "command" in service}
    found |= {f"kubernetes {name}": pod["containers"][0]["args"] for name, pod in PODS.items()}
    for name, unit in UNITS.items():
        [start] = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
        found[f"systemd {name}"] = shlex.split(start)[1:]
    [default] = [line for line in DOCKERFILE.splitlines() if line.startswith('CMD ["run')]
    return found | {"Dockerfile": yaml.safe_load(default.removeprefix("CMD "))}


@pytest.mark.parametrize("words", commands().values(), ids=list(commands()))
def test_rtp_understands_the_command(words: list[str]) -> None:
    name, *arguments = words
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    command.make_context(name, [argument for argument in arguments if argument != "--help"])


@pytest.mark.parametrize("name", PODS)
def test_a_pod_runs_as_nobody_on_a_root_that_it_cannot_write_to(name: str) -> None:
    [container] = PODS[name]["containers"]
    assert PODS[name]["securityContext"]["runAsNonRoot"]
    assert not PODS[name]["automountServiceAccountToken"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("name", [name for name, pod in PODS.items() if pod.get("restartPolicy") != "Never"])
def test_a_pod_is_probed_where_rtp_answers(name: str) -> None:
    [container] = PODS[name]["containers"]
    probes = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
    assert probes == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    [port] = container["ports"]
    assert any(argument.endswith(f":{port['containerPort']}") for argument in container["args"])


@pytest.mark.parametrize(
    "name", [manifest["metadata"]["name"] for manifest in MANIFESTS if manifest["kind"] == "Deployment"]
)
def test_of_a_deployments_two_pods_one_stays(name: str) -> None:
    [deployment] = [one for one in MANIFESTS if (one["kind"], one["metadata"]["name"]) == ("Deployment", name)]
    [budget] = [one for one in MANIFESTS if (one["kind"], one["metadata"]["name"]) == ("PodDisruptionBudget", name)]
    assert (deployment["spec"]["replicas"], budget["spec"]["minAvailable"]) == (2, 1)
    assert (
        budget["spec"]["selector"]["matchLabels"].items()
        <= deployment["spec"]["template"]["metadata"]["labels"].items()
    )


@pytest.mark.parametrize("name", OURS)
def test_a_container_cannot_write_to_its_root_or_gain_rights(name: str) -> None:
    assert OURS[name]["read_only"]
    assert OURS[name]["cap_drop"] == ["ALL"]


def test_compose_is_reached_from_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_compose_mounts_what_is_there() -> None:
    mounted = {part.split(":")[0] for service in SERVICES.values() for part in service.get("volumes", ())}
    assert [path for path in mounted if path.startswith("./") and not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_not_started_again_on_wrong_settings(name: str) -> None:
    assert "RestartPreventExitStatus=2\n" in UNITS[name]


@contextmanager
def answering(status: int) -> Iterator[int]:
    """The port of a /healthz that gives this answer."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "is_healthy"), [(200, True), (503, False)])
def test_a_container_is_as_healthy_as_what_runs_in_it(status: int, is_healthy: bool) -> None:
    with answering(status) as port:
        run = subprocess.run([sys.executable, HEALTHY], env={"RTP_HEALTH_PORT": str(port)}, check=False, timeout=10)
    assert (run.returncode == 0) == is_healthy
