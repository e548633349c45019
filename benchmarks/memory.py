"""Peak memory of ingest and preprocess, over a small set and one ten times as large.

    python -m benchmarks.memory [--images 100000]

Draws small grey pictures first. The peak is that of a stage and all its workers together (proportional set size, read
every twentieth of a second).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil

from benchmarks.films import draw, sections
from pipelines.recipe_file import write_yaml

STAGES = ("ingest", "preprocess")
ROOT = Path(__file__).resolve().parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    chosen = parser.parse_args()
    peaks = [peaks_of(count) for count in (chosen.images // 10, chosen.images)]
    for name, small, large in zip(STAGES, *peaks, strict=True):
        print(f"{name}: {small / 2**20:.0f} MiB, then {large / 2**20:.0f} MiB: {large / small:.2f} times as much")


def peaks_of(count):
    """Peak memory of each stage over so many images, in bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        draw(folder / "raw", count, (48, 48), "PNG")
        write_yaml(sections(28).model_dump(mode="json"), folder / "films.yaml")
        pd.DataFrame({"image_id": []}).to_csv(folder / "quarantine.csv")
        common = ["--recipe", "films.yaml", "--raw", "raw", "--manifest", "manifest.parquet", "--cache", "cache"]
        extra = {"ingest": [], "preprocess": ["--quarantine", "quarantine.csv", "--prepared", "prepared"]}
        return [peak(folder, name, common + extra[name], count) for name in STAGES]


def peak(folder, name, arguments, count):
    """Largest memory of a stage and its workers, while the stage runs."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runpy; "
    code += f"runpy.run_module('pipelines.{name}', run_name='__main__')"
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=folder, stdout=subprocess.DEVNULL)
    start, largest = time.perf_counter(), 0
    while process.poll() is None:
        largest = max(largest, memory_of(process.pid))
        time.sleep(0.05)
    if process.returncode:
        sys.exit(f"error: {name} ended with status {process.returncode}.")
    print(f"{count} images, {name}: {largest / 2**20:.0f} MiB, {time.perf_counter() - start:.0f} s", flush=True)
    return largest


def memory_of(pid):
    """Proportional set size of a process and all its children, in bytes."""
    try:
        process = psutil.Process(pid)
        return sum(one.memory_full_info().pss for one in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0


if __name__ == "__main__":
    main()
