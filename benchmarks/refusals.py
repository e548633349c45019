"""What the guard refuses: pictures that are no films, films as they should not come, and films as they should.

    FILMGATE_REAL_DATA=... python -m benchmarks.refusals [--model FOLDER ...] [--count 500] [--seed 1]

Needs the trained chest-xray model, its prepared films and its raw data. Several models are judged side by side, on the
same pictures, each as the service judges them. Each share has its n and its 95 % interval (Wilson; of films, with the
effective number of patients). A group `chosen on` was used to choose the guard.
"""

import argparse
import io
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.strangers import CHOSEN_ON, Pictures, changed, strangers
from pipelines.guard import Verdict, judge
from pipelines.images import enough, prepare, read
from pipelines.inference import Classifier
from pipelines.intervals import proportion
from pipelines.prepared import read_split
from pipelines.statistics import measure

EVERY = 4  # one in so many test films is turned, inverted and cropped
NO_FILMS = "all of the above that were not used to choose"


def main() -> None:
    """Judge, and print a line for each group and model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="chest-xray")
    parser.add_argument("--model", type=Path, nargs="*", help="folders with model.onnx and card.json")
    parser.add_argument("--prepared", type=Path)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    data = Path("data") / chosen.recipe
    classifiers = {folder.as_posix(): Classifier(folder) for folder in chosen.model or [data / "model"]}
    prepared, raw = chosen.prepared or data / "prepared", chosen.raw or Path("data/raw") / chosen.recipe
    real = Path(os.environ["FILMGATE_REAL_DATA"])
    started, rng = time.perf_counter(), np.random.default_rng(chosen.seed)
    print(f"{'':<52}{'n':>6}" + "".join(f"   {name[-24:]:<24}" for name in classifiers))
    report(strangers(real, rng, chosen.count), classifiers)
    films = {split: of_split(prepared, raw, split) for split in ("test", "external")}
    for split, (pictures, patients) in films.items():
        line(f"films of {split}", {name: refused(pictures, one) for name, one in classifiers.items()}, patients)
    pictures, patients = films["test"]
    for name, turned in changed(pictures[::EVERY], rng):
        found = {model: refused(turned, one) for model, one in classifiers.items()}
        line(f"films of test, {name}", found, np.unique(patients[::EVERY], return_inverse=True)[1])
    print(f"{time.perf_counter() - started:.0f} s")


def report(groups: Iterator[tuple[str, Pictures]], classifiers: dict[str, Classifier]) -> None:
    """Print a line for each group of pictures, and one for all that were not chosen on together."""
    together: dict[str, list[np.ndarray]] = {name: [] for name in classifiers}
    for group, pictures in groups:
        found = {name: refused(pictures, one) for name, one in classifiers.items()}
        line(group, found, np.arange(len(pictures)))
        for name, hits in found.items():
            together[name] += [] if group.startswith(CHOSEN_ON) else [hits]
    all_of_them = {name: np.concatenate(hits) for name, hits in together.items()}
    line(NO_FILMS, all_of_them, np.arange(len(next(iter(all_of_them.values())))))


def line(group: str, found: dict[str, np.ndarray], patients: np.ndarray) -> None:
    """Print the share that each model refuses."""
    shares = []
    for hits in found.values():
        share = proportion(hits, np.ones(len(hits), dtype=bool), patients)
        shares.append(f"   {share.value:6.1%} ({share.low:.1%} to {share.high:.1%})".ljust(27))
    print(f"{group:<52}{len(patients):>6}" + "".join(shares), flush=True)


def refused(pictures: Sequence[Image.Image], classifier: Classifier) -> np.ndarray:
    """Which pictures a model refuses, (n,) bool."""
    return np.array([verdict.decision == "refused" for verdict in verdicts(pictures, classifier)])


def verdicts(pictures: Sequence[Image.Image], classifier: Classifier) -> list[Verdict]:
    """What is decided on pictures that come as PNG files."""
    image = classifier.card.image
    read_ones = [read(_as_png(picture), None, enough(image)) for picture in pictures]
    answers = classifier.answer_all(np.stack([prepare(picture, image) for picture in read_ones]))
    told = zip(answers.probability, answers.distance, read_ones, strict=True)
    return [judge(classifier.card, chances, float(away), measure(picture)[0]) for chances, away, picture in told]


def of_split(prepared: Path, raw: Path, split: str) -> tuple[Pictures, np.ndarray]:
    """The films of a split as they came, and a number for the patient of each."""
    rows: pd.DataFrame = read_split(prepared, split)[1]
    patients = rows.groupby(["site", "patient_id"], dropna=False).ngroup().to_numpy()
    return [read(raw / path) for path in rows["path"]], patients


def _as_png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


if __name__ == "__main__":
    main()
