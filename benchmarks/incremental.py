"""What one per cent of new films costs: ingest and preprocess of a whole set, and again after some films are added.

    python -m benchmarks.incremental [--films 4000] [--side 2400]

Draws films as large as those of a digital detector first. Both stages run as they do in the chain, each in a process of
its own; the share is also given without the start of these processes, which costs the same however large the set is.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.films import draw, sections
from pipelines.recipe_file import write_yaml


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=4000)
    parser.add_argument("--side", type=int, default=2400)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print(f"drawing {chosen.films} films of {chosen.side} x {chosen.side}", flush=True)
        draw(folder / "raw", chosen.films, (chosen.side, chosen.side), "JPEG")
        write_yaml(sections(128).model_dump(mode="json", exclude_none=False), folder / "films.yaml")
        pd.DataFrame({"image_id": []}).to_csv(folder / "quarantine.csv")
        bare = start_of_a_process()
        whole = chain(folder)
        draw(folder / "raw", chosen.films // 100, (chosen.side, chosen.side), "JPEG", first=chosen.films)
        again = chain(folder)
    print(
        f"all {chosen.films} films: {whole:.1f} s; {chosen.films // 100} new ones: {again:.1f} s, {again / whole:.1%}"
    )
    print(f"without the start of two processes ({bare:.1f} s): {(again - bare) / (whole - bare):.1%}")


def chain(folder):
    """Seconds of both stages."""
    common = ["--recipe", "films.yaml", "--raw", "raw", "--manifest", "manifest.parquet", "--cache", "cache"]
    start = time.perf_counter()
    stage(folder, "pipelines.ingest", *common)
    stage(folder, "pipelines.preprocess", *common, "--quarantine", "quarantine.csv", "--prepared", "prepared")
    return time.perf_counter() - start


def start_of_a_process():
    """Seconds that both stages take to say how they are called."""
    start = time.perf_counter()
    for name in ("pipelines.ingest", "pipelines.preprocess"):
        subprocess.run([sys.executable, "-m", name, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def stage(folder, name, *arguments):
    root = Path(__file__).resolve().parent.parent
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r}); import runpy; runpy.run_module({name!r}, run_name='__main__')"
    )
    subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
