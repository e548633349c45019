"""Stage draw: chest films of two hospitals that never were, with the outline of every pneumonia.

    raw/riverside/NORMAL/P00012-1.png       a film, 8-bit grey
    raw/riverside/masks/P00031-1.png        where its pneumonia is, 255 on 0; only films of the ill have one
    raw/riverside/films.csv                 file, label, patient, site, view, sex, age, pattern
    raw/hilltop/...                         the second hospital

Each patient has a random stream of their own, so the films of one do not depend on how many others are drawn.
"""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import connection
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pipelines.recipe import PhantomParams
from pipelines.sources.phantom.film import Picture, shoot
from pipelines.sources.phantom.hospital import HOSPITALS, Hospital
from pipelines.sources.phantom.patient import LABELS, Patient, Visit, admit, visit
from pipelines.stage import command, fresh_folder

MOST_WORKERS = 8
BATCH = 8  # patients handed to a worker at once
REPORT = 100  # patients between two lines of progress


@dataclass(frozen=True)
class Film:
    """One row of films.csv; `file` is relative to the hospital's folder."""

    file: str
    label: str
    patient: str
    site: str
    view: str
    sex: str
    age: int
    pattern: str


def run(raw: Path, phantom: PhantomParams) -> None:
    """Draw the phantom films of both hospitals, with masks and tables."""
    with fresh_folder(raw) as folder:
        draw(folder, phantom, workers=min(os.cpu_count() or 1, MOST_WORKERS))


def draw(folder: Path, phantom: PhantomParams, workers: int) -> None:
    """Draw all films into an empty folder; they are the same for any number of workers."""
    for hospital in HOSPITALS:
        for name in (*LABELS, "masks"):
            (folder / hospital.name / name).mkdir(parents=True)
    films = list(_drawn(folder, phantom, workers))
    for hospital in HOSPITALS:
        rows = [asdict(film) for film in films if film.site == hospital.name]
        pd.DataFrame(rows).to_csv(folder / hospital.name / "films.csv", index=False)


def _drawn(folder: Path, phantom: PhantomParams, workers: int) -> Iterator[Film]:
    """Films of all patients in order, with a line of progress now and then."""
    crowds = (phantom.patients, phantom.external_patients)
    people = [(index, number) for index, crowd in enumerate(crowds) for number in range(crowd)]
    count = 0
    with _pool(workers) as pool:
        draw_one = partial(draw_patient, folder, phantom)
        results = pool.map(draw_one, people, chunksize=BATCH) if pool else map(draw_one, people)
        for done, films in enumerate(results, start=1):
            count += len(films)
            if done % REPORT == 0 or done == len(people):
                print(f"drawn {count} films of {done} of {len(people)} patients", flush=True)
            yield from films


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor | None]:
    """Workers started afresh, which end with this process even where it is killed; None for a single one."""
    if workers == 1:
        yield None
        return
    start = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=start, initializer=_end_with_parent) as pool:
        yield pool


def _end_with_parent() -> None:
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def draw_patient(folder: Path, phantom: PhantomParams, person: tuple[int, int]) -> list[Film]:
    """Draw and write all films of one patient.

    Args:
        person: index of the hospital in HOSPITALS, and the patient's number there.
    """
    index, number = person
    hospital = HOSPITALS[index]
    own, *streams = np.random.SeedSequence(phantom.seed, spawn_key=person).spawn(1 + phantom.films)
    rng = np.random.default_rng(own)
    patient, name = admit(rng, hospital, phantom.pneumonia), f"{hospital.initial}{number:05d}"
    films = []
    for k, stream in enumerate(streams[: int(rng.integers(1, phantom.films + 1))], start=1):
        film_rng = np.random.default_rng(stream)
        circumstances = visit(film_rng, hospital, patient)
        picture = shoot(patient, circumstances, hospital, phantom.size, film_rng)
        _write(folder / hospital.name, f"{name}-{k}.png", patient, picture)
        films.append(_row(f"{name}-{k}.png", patient, circumstances, hospital))
    return films


def _write(folder: Path, file: str, patient: Patient, picture: Picture) -> None:
    """Write a film into the folder of its class, and the mask of its pneumonia if it has one."""
    Image.fromarray(picture.grey).save(folder / patient.label / file)
    if patient.disease.pattern != "none":
        Image.fromarray(np.uint8(255) * picture.shadow).save(folder / "masks" / file)


def _row(file: str, patient: Patient, circumstances: Visit, hospital: Hospital) -> Film:
    return Film(
        file=f"{patient.label}/{file}",
        label=patient.label,
        patient=file.partition("-")[0],
        site=hospital.name,
        view=circumstances.pose.view,
        sex=patient.sex,
        age=patient.age,
        pattern=patient.disease.pattern,
    )


if __name__ == "__main__":
    command(run)
