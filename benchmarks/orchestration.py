"""What it costs that flows run the stages: `flows.retrain` against `dvc repro` of the same stages, in turns.

    python -m benchmarks.orchestration [--recipe demo] [--rounds 3]

Works in clones of the commit that is checked out, one for each side, with caches of their own and a Prefect server
that runs already. In each round both sides compute everything anew, in an order that changes; both are then run again
with nothing to do. Times are those of whole commands, the start of Python included. Training alone may differ by a
quarter from one time to the next on a machine that others share, so processor time is told as well; of the flow it
includes what the Prefect server used meanwhile.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from flows.server import SERVER, appears, free_port

ROOT = Path(__file__).resolve().parent.parent
MADE = ("dvc.lock", ".dvc/cache", ".dvc/tmp", ".filmgate/cache")  # what makes a stage know that it was run before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="demo", help="one whose raw data a stage draws")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, server(Path(scratch)) as address:
        sides = {
            "flow": (cloned(Path(scratch, "flow")), ["flows.retrain", "--recipe", chosen.recipe]),
            "dvc": (cloned(Path(scratch, "dvc")), ["dvc", "repro", f"package@{chosen.recipe}"]),
        }
        anew, idle, work = [], [], []
        for number in range(chosen.rounds):
            order = list(sides)[:: 1 if number % 2 else -1]
            for folder, _ in sides.values():
                forget(folder)
            took = {side: seconds(*sides[side], address) for side in order}
            anew.append({side: wall for side, (wall, _) in took.items()})
            work.append({side: processor for side, (_, processor) in took.items()})
            idle.append({side: seconds(*sides[side], address)[0] for side in order})
            print(
                f"round {number + 1}: {told(anew[-1])}; processor time {told(work[-1])}; "
                f"nothing to do: {told(idle[-1])}",
                flush=True,
            )
    cost, used = (statistics.median(one["flow"] / one["dvc"] for one in rounds) for rounds in (anew, work))
    nothing = statistics.median(one["flow"] for one in idle)
    print(f"everything anew: the flow takes {cost:.3f} times as long (median of {chosen.rounds} rounds)")
    print(f"in processor time: {used:.3f} times as much")
    print(f"nothing to do: the flow takes {nothing:.1f} s, {told({'dvc': statistics.median(o['dvc'] for o in idle)})}")


def told(times: dict[str, float]) -> str:
    """Both sides, in seconds."""
    return ", ".join(f"{side} {value:.1f} s" for side, value in sorted(times.items()))


def cloned(folder: Path) -> Path:
    """A clone of the project, as anybody has it."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


def forget(folder: Path) -> None:
    """Let everything be computed anew."""
    for name in MADE:
        gone = folder / name
        if gone.is_dir():
            shutil.rmtree(gone)
        gone.unlink(missing_ok=True)


def seconds(folder: Path, order: list[str], address: str) -> tuple[float, float]:
    """How long a command takes, and the processor time of it and of the server."""
    environment = {
        **os.environ,
        "PREFECT_API_URL": address,
        "FILMGATE_PROJECT": str(folder),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    started, used = time.perf_counter(), processor()
    done = subprocess.run(
        [sys.executable, "-m", *order], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(order)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.perf_counter() - started, processor() - used


def processor() -> float:
    """Processor seconds of the children of this process: those that ended, and those that run."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    running = (child.cpu_times() for child in psutil.Process().children())
    return ended.ru_utime + ended.ru_stime + sum(times.user + times.system for times in running)


@contextmanager
def server(home: Path) -> Iterator[str]:
    """The address of a Prefect server that ends with the block."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/api"
    process = subprocess.Popen(
        [sys.executable, "-m", SERVER, "--host", "127.0.0.1", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "PREFECT_HOME": str(home / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        if not appears(address, process):
            sys.exit("The Prefect server does not start.")
        yield address
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
