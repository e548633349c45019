"""Every check, proven: a fault planted in a clean set of phantom films is found under its own name."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.errors import FilmgateError
from pipelines.ingest import run as ingest
from pipelines.recipe import PhantomParams, Recipe
from pipelines.recipe_checks import ChecksParams
from pipelines.recipe_file import load
from pipelines.sources.phantom.draw import draw
from pipelines.validate import run as validate

DEMO = Path(__file__).resolve().parents[2] / "recipes" / "demo.yaml"
pytestmark = pytest.mark.slow
PHANTOM = PhantomParams(seed=11, size=96, patients=60, external_patients=8, films=2, pneumonia=0.5)


@dataclasses.dataclass
class Hospital:
    """A copy of the clean films, with the table of the home hospital, to plant a fault in."""

    raw: Path
    table: pd.DataFrame

    def path(self, place):
        return self.raw / "riverside" / self.table.loc[place, "file"]

    def film(self, place):
        return np.asarray(Image.open(self.path(place)))

    def store(self, place, pixels, kind=None):
        Image.fromarray(pixels).save(self.path(place), kind)

    def tell(self, place, **cells):
        for column, cell in cells.items():
            self.table.loc[place, column] = cell

    def add(self, file, source, **cells):
        """A row, and a file of this name with the bytes of another."""
        shutil.copyfile(self.path(source), self.raw / "riverside" / file)
        self.table.loc[len(self.table)] = {**self.table.loc[source], "file": file, **cells}

    def of(self, label, split=None):
        chosen = self.table["label"] == label
        return list(self.table.index[chosen & (self.table["split"] == split if split else True)])


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Films of two hospitals, with a split column in the table of the first."""
    raw = tmp_path_factory.mktemp("clean") / "phantom"
    raw.mkdir()
    draw(raw, PHANTOM, workers=1)
    table = pd.read_csv(raw / "riverside" / "films.csv")
    patients = {patient: number for number, patient in enumerate(sorted(table["patient"].unique()))}
    table["split"] = [("train", "train", "train", "val", "test")[patients[p] % 5] for p in table["patient"]]
    table.to_csv(raw / "riverside" / "films.csv", index=False)
    return raw


@pytest.fixture
def hospital(clean, tmp_path):
    shutil.copytree(clean, tmp_path / "raw")
    return Hospital(tmp_path / "raw", pd.read_csv(clean / "riverside" / "films.csv"))


@pytest.fixture
def recipe():
    """The demo's recipe, with the splits of the table, and nothing that stops the run."""
    demo = load(DEMO)
    table = demo.source.table.model_copy(update={"split": "split"})
    split = demo.split.model_copy(update={"keep": ("train", "val", "test"), "train": 60, "val": 20, "test": 20})
    checks = {name: _soft(rule) for name, rule in demo.checks}
    checks["quarantine_share"] = 0.2
    checks["view_missing"] = {"severity": "warn"}
    checks["wrong_view"] = {"severity": "warn", "allowed": ["PA", "AP"]}
    checks["shortcut"] = {"severity": "warn", "limit": 0.95}  # few films: any property guesses some of them
    checks["drift"] = {"severity": "warn", "limit": 0.2}
    return demo.model_copy(
        update={
            "source": demo.source.model_copy(update={"table": table}),
            "split": split,
            "checks": ChecksParams.model_validate_json(json.dumps(checks)),
        }
    )


@pytest.fixture
def judged(tmp_path, recipe):
    """Ingest and validate: how often each check was broken."""

    def judge(hospital, recipe: Recipe = recipe):
        hospital.table.to_csv(hospital.raw / "riverside" / "films.csv", index=False)
        manifest, checked, production = (tmp_path / name for name in ("manifest.parquet", "checks", "production"))
        production.mkdir(exist_ok=True)
        ingest(
            hospital.raw,
            manifest,
            tmp_path / "cache",
            recipe.source,
            recipe.external,
            recipe.labels,
            recipe.split,
            recipe.alike,
        )
        validate(
            hospital.raw,
            manifest,
            production,
            checked,
            "demo",
            recipe.labels,
            recipe.split,
            recipe.image,
            recipe.checks,
        )
        found = json.loads((checked / "validation.json").read_text())["checks"]
        return {row["check"]: row["breaches"] for row in found if row["breaches"]}

    return judge


def _soft(rule):
    """The rule as JSON, at most as a warning for the whole set and as a quarantine for an image."""
    if not hasattr(rule, "severity"):
        return rule
    values = rule.model_dump(mode="json")
    if values["severity"] == "fail":
        values["severity"] = "warn"
    return values


def unreadable(hospital):
    hospital.path(3).write_text("no picture")


def truncated(hospital):
    content = hospital.path(3).read_bytes()
    hospital.path(3).write_bytes(content[: len(content) // 2])


def unsupported(hospital):
    first, second = Image.fromarray(hospital.film(3)), Image.fromarray(hospital.film(4))
    first.save(hospital.path(3), "GIF", save_all=True, append_images=[second])


def row_without_file(hospital):
    hospital.path(3).unlink()


def file_without_row(hospital):
    hospital.table = hospital.table.drop(index=3)


def unexpected_label(hospital):
    hospital.tell(3, label="COVID")


def label_contradicts_folder(hospital):
    hospital.tell(hospital.of("NORMAL")[0], label="PNEUMONIA")


def too_small(hospital):
    hospital.store(3, np.asarray(Image.fromarray(hospital.film(3)).resize((60, 60))))


def odd_aspect(hospital):
    hospital.store(3, np.vstack([hospital.film(3)] * 3))


def wrong_mode(hospital):
    hospital.store(3, np.stack([hospital.film(3)] * 3, axis=2))


def wrong_depth(hospital):
    hospital.store(3, hospital.film(3).astype(np.uint16) * 257)


def blank(hospital):
    hospital.store(3, 120 + hospital.film(3) // 40)


def saturated(hospital):
    hospital.store(3, np.where(hospital.film(3) > 60, 255, hospital.film(3)).astype(np.uint8))


def intensity_out_of_range(hospital):
    hospital.store(3, hospital.film(3) // 12)


def inverted(hospital):
    hospital.store(3, 255 - hospital.film(3))


def colour(hospital):
    film = hospital.film(3)
    hospital.store(3, np.stack([film, film, film // 2], axis=2))


def site_missing(hospital):
    hospital.tell(3, site=None)


def view_missing(hospital):
    hospital.tell(3, view=None)


def wrong_view(hospital):
    hospital.tell(3, view="LATERAL")


def patient_across_splits(hospital):
    hospital.tell(
        hospital.of("NORMAL", "train")[0], patient=hospital.table.loc[hospital.of("NORMAL", "test")[0], "patient"]
    )


def patient_with_two_labels(hospital):
    ill, well = hospital.of("PNEUMONIA", "train")[0], hospital.of("NORMAL", "train")[0]
    hospital.tell(ill, patient=hospital.table.loc[well, "patient"])


def duplicate(hospital):
    hospital.add("NORMAL/copy.png", hospital.of("NORMAL")[0])


def near_duplicate(hospital):
    hospital.add("NORMAL/copy.jpg", hospital.of("NORMAL")[0])
    place = hospital.table.index[-1]
    small = Image.fromarray(hospital.film(hospital.of("NORMAL")[0])).resize((84, 84), Image.Resampling.BILINEAR)
    small.save(hospital.path(place), "JPEG", quality=85)


def duplicate_with_two_labels(hospital):
    hospital.add("PNEUMONIA/copy.png", hospital.of("NORMAL")[0], label="PNEUMONIA", patient="P99999")


def duplicate_across_splits(hospital):
    hospital.add("NORMAL/copy.png", hospital.of("NORMAL", "train")[0], patient="P99999", split="test")


def near_duplicate_across_splits(hospital):
    near_duplicate(hospital)
    place, source = hospital.table.index[-1], hospital.of("NORMAL")[0]
    other = next(split for split in ("train", "test") if split != hospital.table.loc[source, "split"])
    hospital.tell(place, patient="P99999", split=other)


def split_missing(hospital):
    hospital.table.loc[hospital.table["split"] == "val", "split"] = "train"


def class_empty(hospital):
    hospital.tell(hospital.of("PNEUMONIA", "val"), split="train")


def class_share(hospital):
    hospital.tell(hospital.of("PNEUMONIA", "val")[1:], split="train")


def split_proportion(hospital):
    hospital.tell(hospital.of("NORMAL", "train")[::2] + hospital.of("PNEUMONIA", "train")[::2], split="test")


def shortcut(hospital):
    for place in hospital.of("PNEUMONIA"):
        hospital.store(place, hospital.film(place)[:, :-2])


PLANTS = [
    unreadable,
    truncated,
    unsupported,
    row_without_file,
    file_without_row,
    unexpected_label,
    label_contradicts_folder,
    too_small,
    odd_aspect,
    wrong_mode,
    wrong_depth,
    blank,
    saturated,
    intensity_out_of_range,
    inverted,
    colour,
    site_missing,
    view_missing,
    wrong_view,
    patient_across_splits,
    patient_with_two_labels,
    duplicate,
    near_duplicate,
    duplicate_with_two_labels,
    duplicate_across_splits,
    near_duplicate_across_splits,
    split_missing,
    class_empty,
    class_share,
    split_proportion,
    shortcut,
]


def test_every_check_has_a_fault_to_plant():
    assert {plant.__name__ for plant in PLANTS} | {"drift"} == set(ChecksParams.model_fields) - {"quarantine_share"}


def test_a_clean_set_raises_nothing(hospital, judged):
    assert judged(hospital) == {}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found_under_its_own_name(hospital, judged, plant):
    plant(hospital)
    assert plant.__name__.replace("_", " ") in judged(hospital)


def test_drift_is_found_against_the_data_behind_the_model_in_production(hospital, judged, tmp_path):
    judged(hospital)
    profile = json.loads((tmp_path / "checks" / "profile.json").read_text())
    (tmp_path / "production" / "demo.json").write_text(json.dumps(profile))
    assert judged(hospital) == {}
    for place in hospital.table.index:
        hospital.store(place, (hospital.film(place) * 0.8).astype(np.uint8))
    assert set(judged(hospital)) == {"drift"}


@pytest.mark.parametrize(
    ("plant", "severity"),
    [(inverted, "quarantine"), (patient_across_splits, "fail"), (colour, "off")],
    ids=["aside", "stop", "off"],
)
def test_the_severity_of_the_recipe_decides(hospital, judged, recipe, tmp_path, plant, severity):
    plant(hospital)
    checks = recipe.checks.model_dump(mode="json")
    checks[plant.__name__]["severity"] = severity
    strict = recipe.model_copy(update={"checks": ChecksParams.model_validate_json(json.dumps(checks))})
    if severity == "fail":
        with pytest.raises(FilmgateError):
            judged(hospital, strict)
        return
    found = judged(hospital, strict)
    aside = pd.read_csv(tmp_path / "checks" / "quarantine.csv")
    assert (plant.__name__ in found) is (severity != "off")
    assert len(aside) == (1 if severity == "quarantine" else 0)
