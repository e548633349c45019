"""Do intervals, promises and verdicts hold what they say? Simulated hospitals, whose truth is known, are measured.

python -m benchmarks.coverage                 2,000 sets, seven minutes on two cores
python -m benchmarks.coverage --sets 200 --write docs/coverage.md

A patient is ill or healthy and has one to three films, save in one hospital. Their scores share what is special about
the patient, so that films are not independent. The truth of a figure is what a million such patients give; that of
thresholds and margins follows from the normal distribution of the scores.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from pipelines.evaluation.comparison import compare
from pipelines.evaluation.metrics import measure
from pipelines.evaluation.predictions import CHAMPION
from pipelines.recipe import LabelParams, ThresholdParams
from pipelines.threshold import operating_point

LABELS = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
METRICS = (
    "auc",
    "average_precision",
    "sensitivity",
    "specificity",
    "precision",
    "npv",
    "accuracy",
    "f1",
    "brier",
    "ece",
)
PREVALENCE, THRESHOLD, MARGIN, MANY, SEED = 0.1, 0.45, 0.03, 1_000_000, 5
STEEPNESS = 2.2  # of probability over score; calibrated it would be the gap


@dataclass(frozen=True)
class Hospital:
    """Whose films are drawn.

    Args:
        patients: in a set.
        ill: share of them.
        gap: between the scores of the ill and of the healthy, in standard deviations of a film.
        shared: share of the variance of a score that is the patient's own.
        films: of a patient, at most; each number is as frequent.
    """

    patients: int
    ill: float
    gap: float
    shared: float
    films: int = 3


HOSPITALS = {
    "220 patients, half of them ill": Hospital(220, 0.5, 3.6, 0.5),
    "600 patients, a quarter ill": Hospital(600, 0.25, 2.6, 0.5),
    "600 patients, films alike": Hospital(600, 0.4, 2.6, 0.9),
    "400 patients, one film each": Hospital(400, 0.4, 2.6, 0.5, films=1),
}


def draw(hospital: Hospital, patients: int, rng: np.random.Generator, second_gap: float | None = None) -> pd.DataFrame:
    """Films of new patients, with the answers of a model, and of a second one whose gap is another."""
    ill = rng.random(patients) < hospital.ill
    owner = np.repeat(np.arange(patients), rng.integers(1, hospital.films + 1, patients))
    own, alone = np.sqrt(hospital.shared), np.sqrt(1 - hospital.shared)
    noise = own * rng.normal(size=patients)[owner] + alone * rng.normal(size=len(owner))
    target = ill[owner].astype(int)
    rows = pd.DataFrame({"target": target, "patient_id": owner, "site": "x", "view": None, "sex": None, "age": np.nan})
    rows = rows.assign(decision="negative", probability=chance(hospital.gap * (target - 0.5) + noise))
    if second_gap is not None:
        other = 0.8 * noise + 0.6 * rng.normal(size=len(owner))
        rows[f"{CHAMPION}probability_PNEUMONIA"] = chance(second_gap * (target - 0.5) + other)
        rows[f"{CHAMPION}probability_NORMAL"] = 1 - rows[f"{CHAMPION}probability_PNEUMONIA"]
    return rows.assign(probability_PNEUMONIA=rows["probability"], probability_NORMAL=1 - rows["probability"])


def chance(score: np.ndarray) -> np.ndarray:
    """The probability that a somewhat overconfident model makes of a score."""
    return 1 / (1 + np.exp(-STEEPNESS * score))


def figures(rows: pd.DataFrame) -> dict[str, tuple[float, float, float]]:
    """Each figure with its interval, by name; predictive values at PREVALENCE among them."""
    found = measure(rows, LABELS, THRESHOLD, (PREVALENCE,))
    told = {name: (found[name], found[f"{name}_low"], found[f"{name}_high"]) for name in METRICS}
    (at,) = found["predictive_values"]
    for name in ("ppv", "npv"):
        told[f"{name} at {PREVALENCE:.0%}"] = (at[name], at[f"{name}_low"], at[f"{name}_high"])
    return told


def differences(rows: pd.DataFrame) -> dict[str, tuple[float, float, float]]:
    """Each paired difference of the two models, with its interval."""
    found = compare(rows, LABELS, THRESHOLD, {"threshold": THRESHOLD}, MARGIN)["figures"]
    return {f"{name} difference": (one["difference"], one["low"], one["high"]) for name, one in found.items()}


def held(job: tuple[str, int], truth: dict[str, float], second_gap: float) -> dict[str, bool]:
    """Whether each interval of one simulated set holds the truth."""
    name, number = job
    hospital = HOSPITALS[name]
    rows = draw(hospital, hospital.patients, np.random.default_rng([SEED, number]), second_gap)
    told = figures(rows) | differences(rows)
    return {metric: low <= truth[metric] <= high for metric, (_, low, high) in told.items()}


def promised(number: int, hospital: Hospital, rule: ThresholdParams) -> tuple[bool, bool]:
    """Whether validation proves the promised sensitivity, and whether it then holds for all other patients."""
    rows = draw(hospital, hospital.patients, np.random.default_rng([SEED + 1, number]))
    positive = (rows["target"] == 1).to_numpy()
    point = operating_point(positive, rows["probability"].to_numpy(), rows["patient_id"].to_numpy(), rule)
    return bool(point.facts["proven"]), point.threshold <= highest_allowed(hospital, rule.minimum)


def highest_allowed(hospital: Hospital, minimum: float) -> float:
    """The threshold above which a hospital's sensitivity falls below the minimum."""
    return float(chance(hospital.gap / 2 - norm.ppf(minimum)))


def judged_not_worse(number: int, hospital: Hospital, worse_gap: float, metric: str) -> bool:
    """Whether a challenger that is worse by exactly the margin is called not worse, or better."""
    rows = draw(hospital, hospital.patients, np.random.default_rng([SEED + 3, number]), worse_gap)
    return comparison(rows)[metric]["verdict"] in ("not worse", "better")


def comparison(rows: pd.DataFrame) -> dict[str, dict]:
    """The second model as challenger of the first."""
    names = ("probability_PNEUMONIA", "probability_NORMAL")
    swapped = rows.assign(
        **{name: rows[f"{CHAMPION}{name}"] for name in names},
        **{f"{CHAMPION}{name}": rows[name] for name in names},
    ).assign(probability=rows[f"{CHAMPION}probability_PNEUMONIA"])
    return compare(swapped, LABELS, THRESHOLD, {"threshold": THRESHOLD}, MARGIN)["figures"]


def gap_for(hospital: Hospital, metric: str, loss: float) -> float:
    """The gap of a second model that is worse by this much: scores are normal with a deviation of 1."""
    edge, half = np.log(THRESHOLD / (1 - THRESHOLD)) / STEEPNESS, hospital.gap / 2
    if metric == "auc":
        return float(np.sqrt(2) * norm.ppf(norm.cdf(hospital.gap / np.sqrt(2)) - loss))
    side = edge if metric == "sensitivity" else -edge
    return float(2 * (side + norm.ppf(norm.cdf(half - side) - loss)))


def simulated(sets: int, workers: int) -> Iterator[str]:
    """The report, line by line."""
    with ProcessPoolExecutor(workers) as pool:
        each = partial(pool.map, chunksize=20)
        yield from _intervals(sets, each)
        yield from _promises(sets, each)
        yield from _verdicts(sets, each)


def _intervals(sets: int, each: Callable) -> Iterator[str]:
    columns = {}
    for name, hospital in HOSPITALS.items():
        second_gap = 0.9 * hospital.gap
        rows = draw(hospital, MANY, np.random.default_rng(SEED), second_gap)
        truth = {metric: value for metric, (value, *_) in (figures(rows) | differences(rows)).items()}
        found = pd.DataFrame(each(partial(held, truth=truth, second_gap=second_gap), [(name, n) for n in range(sets)]))
        columns[name] = found.mean()
    yield f"Share of {sets:,} sets whose 95 % interval holds the truth:\n"
    yield _table(["figure", *columns], [[metric, *(f"{c[metric]:.3f}" for c in columns.values())] for metric in found])


def _promises(sets: int, each: Callable) -> Iterator[str]:
    rows = []
    for name, hospital in HOSPITALS.items():
        for minimum, confidence in ((0.9, 0.95), (0.95, 0.9)):
            rule = ThresholdParams(
                rule="sensitivity",
                minimum=minimum,
                miss_cost=1.0,
                confidence=confidence,
                refer_error=0.02,
                temperature=False,
            )
            found = np.array(list(each(partial(promised, hospital=hospital, rule=rule), range(sets))))
            proven, kept = found[:, 0].mean(), (found[:, 1] | ~found[:, 0]).mean()
            observed = rule.model_copy(update={"confidence": None})
            plain = np.array(list(each(partial(promised, hospital=hospital, rule=observed), range(sets))))[:, 1].mean()
            rows.append([name, f"{minimum:g}", f"{confidence:.0%}", f"{kept:.3f}", f"{proven:.3f}", f"{plain:.3f}"])
    yield f"\nThe promised sensitivity, for all other patients of the hospital, over {sets:,} validation sets:\n"
    header = ["validation set", "promised", "confidence", "promise kept", "validation proves it", "kept if as observed"]
    yield _table(header, rows)


def _verdicts(sets: int, each: Callable) -> Iterator[str]:
    rows = []
    for name, hospital in HOSPITALS.items():
        for metric in ("auc", "sensitivity", "specificity"):
            shares = []
            for loss in (MARGIN, 0.0):
                gap = gap_for(hospital, metric, loss)
                found = each(partial(judged_not_worse, hospital=hospital, worse_gap=gap, metric=metric), range(sets))
                shares.append(f"{np.mean(list(found)):.3f}")
            rows.append([name, metric, *shares])
    yield f"\nVerdict `not worse` or `better`, margin {MARGIN:g}, over {sets:,} sets; allowed in error: 0.025:\n"
    yield _table(["set", "figure", "challenger worse by the margin", "challenger as good"], rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", type=Path, help="a Markdown file for the tables")
    chosen = parser.parse_args()
    lines = []
    for line in simulated(chosen.sets, chosen.workers):
        print(line, flush=True)
        lines.append(line)
    if chosen.write:
        chosen.write.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
