"""What it costs that flows run the stages: `flows.retrain` against `dvc repro` of the same stages, in turns.

    python -m benchmarks.orchestration [--recipe demo] [--rounds 3]

Works in clones of the commit that is checked out, one for each side, with caches of their own and a Prefect server
that runs already. In each round both sides compute everything anew, in an order that changes; both are then run again
with nothing to do. Times are those of whole commands, the start of Python included.

Training alone may differ by a quarter from one time to the next on a machine that others share, and orchestration is
what happens around the stages. So each command's time is also split: within the stages' own processes, which both sides
start alike, and around them. Processor time is told for both parts; around them it includes the Prefect server's.
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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from flows.process import end, last_words, start
from flows.server import SERVER, appears, free_port

ROOT = Path(__file__).resolve().parent.parent
MADE = ("dvc.lock", ".dvc/cache", ".dvc/tmp", ".filmgate/cache")  # what makes a stage know that it was run before
STAGES = "pipelines."  # begins the names of the modules that stages run
GLANCE = 0.1  # seconds between two looks at the stage that runs, by which its time comes out too short


@dataclass(frozen=True)
class Cost:
    """Wall and processor seconds."""

    wall: float
    processor: float

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.wall - other.wall, self.processor - other.processor)

    def __str__(self) -> str:
        return f"{self.wall:.1f} s ({self.processor:.1f} s of processor)"


@dataclass(frozen=True)
class Command:
    """What a command took, and each stage of it."""

    whole: Cost
    stages: dict[str, Cost]

    @property
    def around(self) -> Cost:
        """What is left without the stages: orchestration, this side's way."""
        left = self.whole
        for stage in self.stages.values():
            left -= stage
        return left


Round = dict[str, Command]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="demo", help="one whose raw data a stage draws")
    parser.add_argument("--rounds", type=int, default=4, help="an even number lets each side come first as often")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, server(Path(scratch)) as address:
        sides = {
            "dvc": (cloned(Path(scratch, "dvc")), ["dvc", "repro", f"package@{chosen.recipe}"]),
            "flow": (cloned(Path(scratch, "flow")), ["flows.retrain", "--recipe", chosen.recipe]),
        }
        rounds = []
        for number in range(chosen.rounds):
            order = list(sides)[:: -1 if number % 2 else 1]
            for folder, _ in sides.values():
                forget(folder)
            anew = {side: timed(*sides[side], address) for side in order}
            idle = {side: timed(*sides[side], address) for side in order}
            rounds.append((anew, idle))
            print(f"round {number + 1}", *told(anew, idle), sep="\n  ", flush=True)
    conclude(*zip(*rounds, strict=True))


def told(anew: Round, idle: Round) -> Iterator[str]:
    """A round, in the order in which it was run."""
    for side, command in anew.items():
        yield f"{side}: {command.whole}, {command.around} of it around the stages; again: {idle[side].whole}"
        yield "  " + ", ".join(
            f"{name.removeprefix(STAGES)} {cost.wall:.1f} s" for name, cost in command.stages.items()
        )


def conclude(anew: tuple[Round, ...], idle: tuple[Round, ...]) -> None:
    """Print the ratios of all rounds."""
    wall = statistics.median(one["flow"].whole.wall / one["dvc"].whole.wall for one in anew)
    processor = statistics.median(one["flow"].whole.processor / one["dvc"].whole.processor for one in anew)
    around = statistics.median((one["flow"].around - one["dvc"].around).wall / one["dvc"].whole.wall for one in anew)
    nothing = [statistics.median(one[side].whole.wall for one in idle) for side in ("flow", "dvc")]
    print(f"everything anew (medians of {len(anew)} rounds):")
    print(f"  the flow takes {wall:.3f} times as long as DVC, {processor:.3f} times the processor time")
    print(f"  around the stages it takes {around:.1%} of DVC's whole time more than DVC does")
    print("nothing to do: the flow takes {:.1f} s, DVC {:.1f} s".format(*nothing))


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


def timed(folder: Path, order: list[str], address: str) -> Command:
    """Run a command and watch its stages."""
    environment = {
        **os.environ,
        "PREFECT_API_URL": address,
        "FILMGATE_PROJECT": str(folder),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    started, used = time.perf_counter(), processor()
    with tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, "-m", *order]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT)
        stages = watched(process)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(order)} failed:\n{said.read()[-4000:]}")
    return Command(Cost(time.perf_counter() - started, processor() - used), stages)


def watched(process: subprocess.Popen[bytes]) -> dict[str, Cost]:
    """What each stage costs that a command runs, watched until the command ends."""
    stages: dict[str, Cost] = {}
    begun: dict[str, float] = {}
    running = psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.Error):
            for child in running.children(recursive=True):
                if module := stage(child):
                    times, now = child.cpu_times(), time.perf_counter()
                    busy = times.user + times.system + times.children_user + times.children_system
                    stages[module] = Cost(now - begun.setdefault(module, now), busy)
        time.sleep(GLANCE)
    return stages


def stage(process: psutil.Process) -> str | None:
    """The module of a stage, where a process is one: `python -m pipelines.…`."""
    match process.cmdline()[1:3]:
        case ["-m", module] if module.startswith(STAGES):
            return module
    return None


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
    environment = {**os.environ, "PREFECT_HOME": str(home / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    with tempfile.TemporaryFile() as log:
        process = start([SERVER, "--host", "127.0.0.1", "--port", str(port)], ROOT, environment, log)
        try:
            if not appears(address, process):
                log.seek(0)
                sys.exit(f"The Prefect server does not start: {last_words(log.read())}")
            yield address
        finally:
            end(process)


if __name__ == "__main__":
    main()
