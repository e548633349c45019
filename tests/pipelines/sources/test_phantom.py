import filecmp
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from pipelines.recipe import PhantomParams
from pipelines.sources.phantom import draw as stage
from pipelines.sources.phantom.canvas import canvas
from pipelines.sources.phantom.chest import chest
from pipelines.sources.phantom.disease import HEALTHY
from pipelines.sources.phantom.draw import draw, run
from pipelines.sources.phantom.film import shoot
from pipelines.sources.phantom.hospital import HILLTOP, HOSPITALS, RIVERSIDE
from pipelines.sources.phantom.patient import admit, visit

COLUMNS = ["file", "label", "patient", "site", "view", "sex", "age", "pattern"]


def params(**changed):
    values = {"seed": 3, "size": 64, "patients": 6, "external_patients": 3, "films": 2, "pneumonia": 0.5}
    return PhantomParams(**(values | changed))


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def same(one, other, names):
    return all(filecmp.cmp(one / name, other / name, shallow=False) for name in names)


def grey(path):
    return np.asarray(Image.open(path))


def table(folder, hospital):
    return pd.read_csv(folder / hospital / "films.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Films of 110 and 10 patients, 64 pixels a side."""
    folder = tmp_path_factory.mktemp("phantom")
    draw(folder, params(patients=110, external_patients=10), workers=1)
    return folder


@pytest.fixture(scope="module")
def riverside(drawn):
    """The table of the home hospital, with one-number descriptions of each film."""
    films = table(drawn, "riverside")
    pictures = [grey(drawn / "riverside" / file) for file in films.file]
    films["bytes"] = [(drawn / "riverside" / file).stat().st_size for file in films.file]
    for name in ("mean", "std", "min", "max"):
        films[name] = [float(getattr(picture, name)()) for picture in pictures]
    for name, share in (("low", 5), ("median", 50), ("high", 95)):
        films[name] = [float(np.percentile(picture, share)) for picture in pictures]
    films["entropy"] = [entropy(picture) for picture in pictures]
    return films


def entropy(picture):
    share = np.bincount(picture.ravel(), minlength=256) / picture.size
    return float(-(share[share > 0] * np.log2(share[share > 0])).sum())


def test_the_same_seed_draws_the_same_bytes_whatever_the_number_of_workers(tmp_path):
    for workers in (1, 2):
        draw(tmp_path / str(workers), params(), workers)
    names = files(tmp_path / "1")
    assert len(names) > 9
    assert files(tmp_path / "2") == names
    assert same(tmp_path / "1", tmp_path / "2", names)


def test_another_seed_draws_other_films(tmp_path):
    for seed in (3, 4):
        draw(tmp_path / str(seed), params(seed=seed, pneumonia=0.0), workers=1)
    name = "riverside/NORMAL/P00000-1.png"
    assert not np.array_equal(grey(tmp_path / "3" / name), grey(tmp_path / "4" / name))


def test_a_patient_does_not_depend_on_how_many_patients_are_drawn(tmp_path):
    for count in (2, 5):
        draw(tmp_path / str(count), params(patients=count, external_patients=1), workers=1)
    few = [name for name in files(tmp_path / "2") if name.endswith(".png")]
    assert set(few) < set(files(tmp_path / "5"))
    assert same(tmp_path / "2", tmp_path / "5", few)


def test_a_film_is_an_eight_bit_grey_square_of_the_size_asked_for(drawn):
    for file in table(drawn, "riverside").file[:5]:
        with Image.open(drawn / "riverside" / file) as picture:
            assert (picture.mode, picture.size) == ("L", (64, 64))


def test_table_and_files_agree(drawn):
    for hospital in HOSPITALS:
        films = table(drawn, hospital.name)
        assert list(films.columns) == COLUMNS
        on_disk = [name for name in files(drawn / hospital.name) if name.startswith(("NORMAL", "PNEUMONIA"))]
        assert sorted(films.file) == on_disk
        assert (films.file.str.split("/").str[0] == films.label).all()
        assert (films.patient == films.file.str.extract(r"/(.*)-")[0]).all()
        assert set(films.site) == {hospital.name}
        assert ((films.pattern == "none") == (films.label == "NORMAL")).all()


def test_there_is_a_mask_for_each_film_with_pneumonia_and_for_no_other(drawn):
    for hospital in HOSPITALS:
        films = table(drawn, hospital.name)
        ill = films.file[films.label == "PNEUMONIA"].str.replace("PNEUMONIA", "masks")
        assert files(drawn / hospital.name / "masks") == sorted(Path(name).name for name in ill)


def test_a_mask_is_black_and_white_and_never_empty(drawn):
    masks = [grey(path) for path in sorted(drawn.glob("*/masks/*.png"))]
    assert len(masks) > 40
    assert all(set(np.unique(mask)) == {0, 255} for mask in masks)


@pytest.mark.parametrize("hospital", HOSPITALS, ids=lambda hospital: hospital.name)
def test_a_shadow_lies_within_the_lungs(hospital):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        patient = admit(rng, hospital, pneumonia=1.0)
        body = chest(canvas(96), patient, visit(rng, hospital, patient), rng)
        assert 0 < body.shadow.sum() < body.lungs.sum() < 0.5 * body.lungs.size
        assert not (body.shadow & ~body.lungs).any()


def test_a_shadow_is_where_the_film_of_the_ill_differs_from_that_of_the_healthy():
    """The same chest with and without its pneumonia: inside the outline it is thicker, outside hardly."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        ill = admit(rng, RIVERSIDE, pneumonia=1.0)
        circumstances = visit(rng, RIVERSIDE, ill)
        with_it, without = (
            chest(canvas(96), patient, circumstances, np.random.default_rng(1))
            for patient in (ill, replace(ill, disease=HEALTHY))
        )
        gain = with_it.thickness - without.thickness
        assert gain[with_it.shadow].mean() > 0.6
        assert gain[with_it.shadow].mean() > 4 * abs(gain[~with_it.shadow]).mean()


def test_all_films_of_a_patient_share_sex_age_and_disease(drawn):
    films = table(drawn, "riverside")
    assert films.groupby("patient").size().max() == 2
    assert (films.groupby("patient")[["sex", "age", "pattern"]].nunique() == 1).all(axis=None)


def test_films_of_one_patient_are_more_alike_than_films_of_two(drawn):
    films = table(drawn, "riverside").query("label == 'NORMAL'")
    pairs = films.groupby("patient").filter(lambda group: len(group) == 2).sort_values("file")
    pictures = np.array([grey(drawn / "riverside" / file).ravel() for file in pairs.file], float)
    alike = np.corrcoef(pictures)
    own = alike[np.arange(0, len(pairs), 2), np.arange(1, len(pairs), 2)]
    foreign = alike[np.arange(0, len(pairs) - 2, 2), np.arange(3, len(pairs), 2)]
    assert len(own) > 15
    assert own.mean() > foreign.mean() + 0.01


@pytest.mark.parametrize(
    "name", ["mean", "std", "min", "max", "low", "median", "high", "entropy", "bytes", "age", "view", "sex"]
)
def test_one_number_does_not_tell_the_label(riverside, name):
    ill = riverside.label == "PNEUMONIA"
    guess = riverside[name]
    if guess.dtype == object or isinstance(guess.iloc[0], str):
        guess = ill.groupby(guess).transform("mean")
    auc = roc_auc_score(ill, guess)
    assert max(auc, 1 - auc) < 0.75


def test_about_as_many_patients_are_ill_as_the_recipe_says(drawn):
    ill = table(drawn, "riverside").groupby("patient").label.first() == "PNEUMONIA"
    assert 0.35 < ill.mean() < 0.65


def test_films_of_the_second_hospital_are_noisier():
    river, hill = (roughness(hospital) for hospital in (RIVERSIDE, HILLTOP))
    assert hill > 1.3 * river


def roughness(hospital):
    """Mean difference of neighbouring greys in the belly, where there is nothing but noise."""
    films = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        patient = admit(rng, hospital, pneumonia=0.0)
        picture = shoot(patient, visit(rng, hospital, patient), hospital, 96, rng).grey
        films.append(np.abs(np.diff(picture[82:90, 30:66].astype(float), axis=1)).mean())
    return float(np.mean(films))


def test_a_failed_draw_leaves_the_former_films_alone(tmp_path, monkeypatch):
    raw = tmp_path / "phantom"
    raw.mkdir()
    (raw / "former").write_text("kept")

    def fail(*_, workers):
        raise OSError("disk full")

    monkeypatch.setattr(stage, "draw", fail)
    with pytest.raises(OSError, match="disk full"):
        run(raw, params())
    assert files(tmp_path) == ["phantom/former"]


def test_a_new_draw_replaces_the_former_one(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "MOST_WORKERS", 1)
    raw = tmp_path / "phantom"
    raw.mkdir()
    (raw / "former").write_text("gone")
    run(raw, params(patients=1, external_patients=1, films=1))
    assert not (raw / "former").exists()
    assert len(table(raw, "riverside")) == 1
