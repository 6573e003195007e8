"""The command `rtp`, under the one name of the installation that no project of a user's has, too.

A service may have a `core` or a `cli` of its own on its PYTHONPATH, and Python looks there first. So rtp's own folder
is put before it, for this process and for those that it starts. Where another distribution has been installed over
rtp's files, or in front of them, nothing can be mended here: then it is said.
"""

from __future__ import annotations

import os
import signal
import sys

# Until rtp answers signals itself, Ctrl-C ends it as it ends any program, without a word.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

_PACKAGES = ("cli", "core", "rtp_client", "triggers")


def main() -> None:
    """Run the command line."""
    own = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  (pathlib would double the time until here)
    if theirs := os.environ.get("PYTHONPATH"):
        sys.path.insert(0, own)
        os.environ["PYTHONPATH"] = os.pathsep.join((own, theirs))
    try:
        from cli.__main__ import main as run  # noqa: PLC0415  (not before the path is right)

        run()
    except Exception:
        if (place := _not_own(own)) is None:
            raise
        sys.stderr.write(
            f"{place} is not rtp's: another distribution has put it there."
            " Install rtp into an environment of its own, e.g. pipx install defi-rtp\n"
        )
        sys.exit(2)


def _not_own(own: str) -> str | None:
    """What Python takes for a package or a file of rtp's and is none, if there is such a thing."""
    from csv import reader  # noqa: PLC0415  (slow, all of them, and hardly ever needed)
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415
    from importlib.util import find_spec  # noqa: PLC0415

    for name in _PACKAGES:
        spec = find_spec(name)
        found = list(spec.submodule_search_locations or [spec.origin or name]) if spec else []
        if found and os.path.realpath(found[0]) != os.path.realpath(os.path.join(own, name)):  # noqa: PTH118
            return found[0]
    try:
        installed = distribution("defi-rtp")
    except PackageNotFoundError:
        return None
    # Its `files` leave out those that are gone, from Python 3.12 on.
    for name, noted, *_ in reader((installed.read_text("RECORD") or "").splitlines()):
        algorithm, _, digest = noted.partition("=")
        if digest and name.split("/")[0] in _PACKAGES:
            path = str(installed.locate_file(name))
            if _digest(path, algorithm) != digest:
                return path
    return None


def _digest(path: str, algorithm: str) -> str:
    """A file's digest as an installation notes it; empty where there is no such file."""
    from base64 import urlsafe_b64encode  # noqa: PLC0415
    from hashlib import new  # noqa: PLC0415

    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return urlsafe_b64encode(new(algorithm, file.read()).digest()).decode().rstrip("=")
    except OSError:
        return ""
