"""Bringing a version into production: its bento is started beside what runs, asked everything, and only then named."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flows import registry
from flows.project import HERE
from pipelines.errors import ReleaseError
from pipelines.registry import PRODUCTION, Event, Version, history, production

STORE = Path(".filmgate/bentoml")
START_SECONDS, END_SECONDS = 180.0, 60.0
ACTION, PROMOTED, BACK = "Action", "promoted", "rolled back"
REJECTED = "rejected"


def prove(project: Path, recipe: str, version: Version) -> list[str]:
    """Start the bento of a version on a free port, and let `serving.check` ask it everything that it promises.

    Returns:
        what the check said, line by line.
    Raises:
        ReleaseError: the bento cannot be had, does not start, or a check failed.
    """
    folder = registry.fetch(project, recipe, version)
    with _served(recipe, folder, project / STORE) as address:
        order = [sys.executable, "-m", "serving.check", address, "--model", version.model]
        done = subprocess.run(order, cwd=HERE, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    if done.returncode:
        failed = "; ".join(line for line in said if line.startswith(("FAIL", "error"))) or "it said nothing"
        raise ReleaseError(f"{recipe} {version.name} is not what was released: {failed} Production stays as it was.")
    return said


def promote(project: Path, recipe: str, version: Version, said: dict[str, str]) -> None:
    """Name a version the one in production; it must be proven.

    Args:
        said: who decided, and why: `By`, `Comment`.
    Raises:
        ReleaseError: it is in production already, or git cannot keep the decision.
    """
    _move(project, recipe, version, {ACTION: PROMOTED, **said})


def roll_back(project: Path, recipe: str, version: Version, said: dict[str, str]) -> None:
    """Name an earlier version the one in production again; it must be proven."""
    _move(project, recipe, version, {ACTION: BACK, **said})


def reject(project: Path, recipe: str, version: Version, said: dict[str, str]) -> None:
    """Write down that a version does not come into production; what is there stays."""
    with registry.alone(project, recipe):
        registry.assign(project, recipe, version, REJECTED, said)


def before(project: Path, recipe: str) -> Version:
    """The version to roll back to: the one that was in production before the present one came.

    Raises:
        ReleaseError: there is none.
    """
    stack = _stack(history(project, recipe))
    if len(stack) < 2:
        raise ReleaseError(
            f"No version of {recipe} was in production before the present one. Name one: --version "
            f"(python -m flows.deploy history --recipe {recipe})."
        )
    return registry.named(project, recipe, stack[-2])


def _stack(events: Sequence[Event]) -> list[str]:
    """Versions in production, one upon the other: a promotion lays one on top, a roll back takes off what is above."""
    stack: list[str] = []
    for event in sorted((event for event in events if event.kind == PRODUCTION), key=lambda event: event.number):
        name = str(event.version)
        if event.trailers.get(ACTION) == BACK and name in stack:
            del stack[len(stack) - stack[::-1].index(name) :]
        else:
            stack.append(name)
    return stack


def _move(project: Path, recipe: str, version: Version, said: dict[str, str]) -> None:
    with registry.alone(project, recipe):
        now = production(project, recipe)
        if now is not None and now.name == version.name:
            raise ReleaseError(f"{recipe} {version.name} is in production already: nothing was changed.")
        registry.assign(project, recipe, version, PRODUCTION, said)


@contextmanager
def _served(recipe: str, release: Path, store: Path) -> Iterator[str]:
    """The address at which a release is served, on a free port of this machine, while the block lasts."""
    order = [sys.executable, "-u", "-m", "serving.serve", "--recipe", recipe, "--release", str(release)]
    order += ["--store", str(store), "--port", "0"]
    environment = {**os.environ, "FILMGATE_PREDICTION_LOG": ""}  # what is asked here is no film of a clinic
    with subprocess.Popen(
        order, cwd=HERE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        late = threading.Timer(START_SECONDS, server.kill)
        late.start()
        try:
            address = _address(server, recipe)
            late.cancel()
            threading.Thread(target=_drain, args=(server,), daemon=True).start()
            yield address
        finally:
            late.cancel()
            _end(server)


def _address(server: subprocess.Popen[str], recipe: str) -> str:
    """What the server says it listens on, once it does."""
    said = []
    for line in server.stdout or ():
        said.append(line.strip())
        if line.startswith("Serving ") and " on http" in line:
            return line.rsplit(" on ", 1)[1].strip()
    why = next((line for line in said if line.startswith("error: ")), said[-1] if said else "it said nothing")
    raise ReleaseError(
        f"The bento of {recipe} does not start ({why.removeprefix('error: ')}). Production stays as it was."
    )


def _drain(server: subprocess.Popen[str]) -> None:
    """Read on, so that the server never waits for somebody to read."""
    for _ in server.stdout or ():
        pass


def _end(server: subprocess.Popen[str]) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
    try:
        server.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
