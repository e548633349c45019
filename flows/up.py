"""A lasting Prefect server on this machine, with the deployments of prefect.yaml and a worker that runs them.

python -m flows.up
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.git import git
from flows.process import end, last_words, start
from flows.project import VARIABLE, project
from flows.server import SERVER, answers, appears
from flows.slots import SLOT
from pipelines.errors import ChainError
from pipelines.sentences import in_one_sentence

POOL = "filmgate"
LOGS = ".filmgate/server"
AT_ONCE = 8  # runs of the worker, those that wait for approval included


def main(arguments: Sequence[str] | None = None) -> None:
    """Start what is missing, and stop it when this process is told to end; exit status 1 when it cannot be started."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="address that the server listens on")
    parser.add_argument("--port", type=int, default=4200, help="its port")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _as_interrupt)
    with in_one_sentence(), suppress(KeyboardInterrupt):
        up(project(), chosen.host, chosen.port)


def up(root: Path, host: str, port: int) -> None:
    """Server, deployments and worker, until this process is interrupted or one of them ends.

    Raises:
        ChainError: one of them does not start, or ended by itself.
    """
    address = f"http://{host}:{port}/api"
    environment = _environment(root, address)
    logs = root / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        if not answers(address):
            order = [SERVER, "--host", host, "--port", str(port)]
            started["server"] = _start(order, root, environment, logs / "server.log")
            _wait(address, started["server"], logs / "server.log")
        with temporary_settings({PREFECT_API_URL: address}):
            _make_room()
        _deploy(root, environment)
        order = ["prefect", "worker", "start", "--pool", POOL, "--type", "process", "--limit", str(AT_ONCE)]
        started["worker"] = _start(order, root, environment, logs / "worker.log")
        print(
            f"Prefect runs on {address.removesuffix('/api')}, with a worker; logs in {LOGS}. Ctrl+C ends both.",
            flush=True,
        )
        _watch(started, logs)
    finally:
        for process in reversed(list(started.values())):
            end(process)


def _environment(root: Path, address: str) -> Mapping[str, str]:
    """What the deployments and the worker are told: the server, the project, and the branch that flows come from."""
    branch = git(root, "branch", "--show-current")
    if not branch:
        raise ChainError(f"{root} is on no branch, and runs take their code from one. Check one out: git switch main")
    added = {
        "PREFECT_API_URL": address,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        VARIABLE: str(root),
        "FILMGATE_SOURCE": root.as_uri(),
        "FILMGATE_BRANCH": branch,
    }
    return {**os.environ, **added}


def _start(order: Sequence[str], root: Path, environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return start(order, root, environment, file)


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    if not appears(address, server):
        raise ChainError(f"The Prefect server does not start: {_last(log)} All it said stands in {log}.")


def _make_room() -> None:
    """The work pool, and one slot for training, where they are not there yet; what somebody set stays as it is."""
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        try:
            client.read_global_concurrency_limit_by_name(SLOT)
        except ObjectNotFound:
            client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=SLOT, limit=1))


def _deploy(root: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and not answers(environment["PREFECT_API_URL"]):
        raise ChainError(f"The Prefect server at {environment['PREFECT_API_URL']} went away. Run this command again.")
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-400:]
        raise ChainError(f"Prefect does not take the deployments of prefect.yaml: {said}")


def _watch(started: Mapping[str, subprocess.Popen[bytes]], logs: Path) -> None:
    while True:
        for name, process in started.items():
            if process.poll() is not None:
                log = logs / f"{name}.log"
                raise ChainError(f"The {name} ended by itself: {_last(log)} All it said stands in {log}.")
        time.sleep(1)


def _last(log: Path) -> str:
    return last_words(log.read_bytes())


def _as_interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
