"""Does the monitor keep its share of false alarms, and how many films does it take to notice a drift?

    python -m benchmarks.monitoring                          phantom films, under ten minutes on two cores
    python -m benchmarks.monitoring --real data/chest-xray   films of a trained recipe: quiet, second hospital, inverted

The first draws films with the demo's recipe at a prevalence of 25 %, trains the demo's network on them for a few
epochs, and draws a pool of new patients, whose films the service's own code answers and logs. A week is so many
patients of the pool, each once and with all films; the number of ill ones among them is drawn at the prevalence. Two
weeks may share patients: the pool has fifteen to a hundred times as many. Since a reference is as much chance as a
week, others are drawn from the pool as well, and held against weeks of the patients who are left. For a drift the
window grows patient by patient until the alarm. What was drawn and trained stays in --folder for the next run.

The second has no more films than there are: a random half of the patients of the test is the reference, weeks are
patients of the other half, each once; that is repeated with other halves.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import kolmogorov

from benchmarks.logged_films import DOUBLED, POOL, PREVALENCE, ROOT, answers, prepare
from pipelines.card import read_card
from pipelines.intervals import wilson
from pipelines.manifest import read_manifest
from pipelines.monitoring.reference import SHARES, Reference, read_reference, reference_rows
from pipelines.monitoring.shift import Side, column, holm, kolmogorov_smirnov, shifts, sides
from pipelines.monitoring.windows import level
from pipelines.recipe_file import load

TESTED = 220  # patients of another reference
FIRST, MOST, DAYS = 10, 600, 7  # films of a growing window; days of a week
RULES = load(ROOT / "recipes" / "demo.yaml").monitor
Stream = Callable[[np.random.Generator, int], pd.DataFrame]


@dataclass(frozen=True)
class Job:
    """Weeks of one hospital without drift, against one reference; reference 0 is the release's own."""

    folder: Path
    patients: int
    reference: int
    weeks: int
    seed: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".filmgate/benchmarks/monitoring"))
    parser.add_argument("--weeks", type=int, default=200)
    parser.add_argument("--references", type=int, default=8, help="others than the release's own")
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--real", type=Path, help="data/<recipe> of a trained recipe with a second hospital")
    chosen = parser.parse_args()
    started = time.perf_counter()
    print(f"seed {chosen.seed}, false alarms {RULES.false_alarms:g}, least distance {RULES.least_distance:g}\n")
    for text in real(chosen) if chosen.real else phantom(chosen):
        print(text, flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")


def phantom(chosen: argparse.Namespace) -> Iterator[str]:
    """The report on phantom films, line by line."""
    prepare(chosen.folder)
    films = len(read_reference(chosen.folder / "release").films)
    yield f"{len(of(chosen.folder, 'riverside')):,} films of {POOL:,} patients in the pool, {films} in the reference\n"
    with ProcessPoolExecutor(2) as pool:
        yield f"Share of {chosen.weeks} weeks of the same hospital with an alarm (95 %):\n"
        yield row(["patients, films a week", "when over", "looked at daily, too", *OTHERS])
        yield row(["---"] * 7)
        for patients in (30, 60, 200):
            jobs = [Job(chosen.folder, patients, n, chosen.weeks, chosen.seed) for n in range(chosen.references + 1)]
            (found, count), *others = pool.map(quiet_weeks, jobs)
            shares = np.array([other.mean(axis=0) for other, _ in others])
            of_others = [f"{pick(shares[:, column]):.3f}" for column in (1, 2) for pick in (np.mean, np.max)]
            yield row([f"{patients}, {count:.0f}", *(share(column) for column in found.T[:2]), *of_others])
        yield f"\nFilms until the alarm, {chosen.repetitions} times each:\n"
        yield row(["stream", "window that is over: median", "90 % of times", "open window: median", "90 % of times"])
        yield row(["---"] * 5)
        for name in STREAMS:
            seeds = [[chosen.seed, 1000 + n] for n in range(chosen.repetitions)]
            found = np.array(list(pool.map(partial(needed, chosen.folder, name), seeds, chunksize=5)))
            yield row([name, *(quantile(column, q) for column in found.T for q in (0.5, 0.9))])


OTHERS = ("other references", "worst of them", "two-sample tests: other references", "worst of them")
STREAMS = {  # films, and the prevalence at which their patients are drawn
    "the second hospital": ("hilltop", None),
    "an inverted feed": ("inverted", None),
    f"prevalence {PREVALENCE:.0%} becomes {DOUBLED:.0%}": ("riverside", DOUBLED),
}


@cache
def of(folder: Path, name: str) -> pd.DataFrame:
    """Films of the pool as the log has them, with `owner` and `ill`."""
    return pd.read_parquet(folder / f"{name}.parquet")


def quiet_weeks(job: Job) -> tuple[np.ndarray, float]:
    """(weeks, 3) bool: an alarm when the week is over; then, or on one of its days; when it is over, by the usual tests
    of two samples. And films a week.
    """
    rng = np.random.default_rng([job.seed, job.patients, job.reference])
    reference, pool = read_reference(job.folder / "release"), of(job.folder, "riverside")
    if job.reference:
        test = week_of(pool, PREVALENCE)(rng, TESTED)
        reference = replace(reference, films=test.assign(patient=test["owner"].factorize()[0]))
        pool = pool[~pool["owner"].isin(test["owner"])]
    return alarms(sides(reference), week_of(pool, PREVALENCE), job.weeks, job.patients, rng)


def alarms(
    watched: Sequence[Side], stream: Stream, weeks: int, patients: int, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """What `quiet_weeks` gives, of a stream."""
    found, films = [], []
    for _ in range(weeks):
        drawn = stream(rng, patients)
        films.append(len(drawn))
        over = drifted(watched, drawn, level(RULES, False))
        days = [drawn[: len(drawn) * day // DAYS] for day in range(1, DAYS + 1)]
        early = (drifted(watched, day, level(RULES, True)) for day in days if len(day) >= RULES.films)
        found.append((over, over or any(early), usual(watched, drawn)))
    return np.array(found), float(np.mean(films))


def drifted(watched: Sequence[Side], films: pd.DataFrame, limit: float) -> bool:
    return any(shift.drifted for shift in shifts(watched, films, limit, RULES.least_distance))


def usual(watched: Sequence[Side], films: pd.DataFrame) -> bool:
    """An alarm by two-sample Kolmogorov-Smirnov tests of the numbers, as it would be without their band."""
    numbers = [side for side in watched if side.name not in SHARES and np.ptp(side.values) > 0]
    distances = np.array([kolmogorov_smirnov(side.values, column(films, side.name)) for side in numbers])
    sizes = np.array([1 / (side.effect / len(side.values) + side.effect / len(films)) for side in numbers])
    low = holm(kolmogorov(np.sqrt(sizes) * distances)) < level(RULES, False)
    return bool((low & (distances >= RULES.least_distance)).any())


def needed(folder: Path, name: str, seed: Sequence[int]) -> tuple[float, float]:
    """Films at the first alarm of a growing window, at the level of one that is over, and of an open one."""
    films, prevalence = STREAMS[name]
    return films_needed(known(folder), streams(folder, films, prevalence), np.random.default_rng(seed))


@cache
def known(folder: Path) -> list[Side]:
    return sides(read_reference(folder / "release"))


@cache
def streams(folder: Path, name: str, prevalence: float | None) -> Stream:
    return week_of(of(folder, name), prevalence)


def films_needed(watched: Sequence[Side], stream: Stream, rng: np.random.Generator) -> tuple[float, float]:
    """What `needed` gives, of a stream; infinite where all that there are do not suffice."""
    films = stream(rng, MOST)[:MOST]
    owners = films["owner"].to_numpy()
    ends = [*(np.flatnonzero(owners[1:] != owners[:-1]) + 1), len(films)]
    first = {level(RULES, still_open): np.inf for still_open in (False, True)}
    for end in (end for end in ends if end >= FIRST):
        found = shifts(watched, films[:end], RULES.false_alarms, RULES.least_distance)
        least = min((shift.adjusted for shift in found if shift.drifted), default=1.0)
        first |= {limit: float(end) for limit, count in first.items() if count == np.inf and least < limit}
        if np.isfinite(list(first.values())).all():
            break
    closed, open_ = first.values()
    return closed, open_


def week_of(films: pd.DataFrame, prevalence: float | None) -> Stream:
    """Draws patients, each once and with all films; the ill ones at the prevalence, or as they come."""
    groups = dict(iter(films.groupby("owner", sort=False)))
    ill = films.drop_duplicates("owner").set_index("owner")["ill"]
    names = {state: ill.index[ill == state].to_numpy() for state in (True, False)}

    def drawn(rng: np.random.Generator, patients: int) -> pd.DataFrame:
        if prevalence is None:
            chosen = rng.choice(ill.index.to_numpy(), min(patients, len(ill)), replace=False)
        else:
            sick = int(rng.binomial(patients, prevalence))
            parts = [(True, sick), (False, patients - sick)]
            chosen = rng.permutation(np.concatenate([rng.choice(names[state], n, replace=False) for state, n in parts]))
        return pd.concat([groups[owner] for owner in chosen], ignore_index=True)

    return drawn


def real(chosen: argparse.Namespace) -> Iterator[str]:
    """The report on real films, line by line."""
    table, manifest = of(chosen.real / "evaluation", "probabilities"), read_manifest(chosen.real / "manifest.parquet")
    raw, model = chosen.real.parent / "raw" / chosen.real.name, chosen.real / "model"
    card, parts = read_card(model / "card.json"), {}
    for split, invert in (("test", False), ("external", False), ("test", True)):
        rows = table[table["split"] == split].reset_index(drop=True)
        logged = answers(model, [raw / path for path in rows["path"]], invert)
        parts["inverted" if invert else split] = logged.assign(
            owner=rows["patient_id"], ill=rows["label"] == card.labels.positive, image_id=rows["image_id"]
        )
    held_out = table[table["split"] == "test"].reset_index(drop=True)
    kept = reference_rows(table, manifest).assign(owner=held_out["patient_id"])
    facts = (card.recipe, card.version, card.sha256, card.labels.names, card.labels.positive, card.threshold)
    quiet, films = [], {name: [] for name in ("external", "inverted")}
    for number in range(chosen.repetitions):
        rng = np.random.default_rng([chosen.seed, number])
        owners = rng.permutation(kept["owner"].unique())
        own = kept["owner"].isin(owners[: len(owners) // 2])
        watched = sides(Reference(kept[own], *facts, frozenset()))
        rest = {name: part[~part["owner"].isin(owners[: len(owners) // 2])] for name, part in parts.items()}
        quiet += list(alarms(watched, week_of(rest["test"], None), 2, 70, rng)[0])
        for name, found in films.items():
            found.append(films_needed(watched, week_of(rest[name], None), rng))
    when_over, daily, _ = (share(column) for column in np.array(quiet).T)
    yield f"Weeks of 70 patients of the same hospital with an alarm: {when_over}; looked at daily, too: {daily}"
    for name, found in films.items():
        cells = [quantile(column, q) for column in np.array(found).T for q in (0.5, 0.9)]
        yield f"Films until the alarm, {name}: median {cells[0]}, 90 % {cells[1]}; open window {cells[2]}, {cells[3]}"


def quantile(values: np.ndarray, q: float) -> str:
    found = float(np.quantile(values, q, method="higher"))
    return f"{found:.0f}" if np.isfinite(found) else "more than there are"


def share(column: np.ndarray) -> str:
    low, high = wilson(float(column.sum()), len(column)) or (0.0, 1.0)
    return f"{column.mean():.3f} ({low:.3f} to {high:.3f})"


def row(cells: Sequence) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
