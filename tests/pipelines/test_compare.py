from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.architecture.contest import Contest, Pace
from pipelines.compare import CLASSICS, chart, compare, main
from pipelines.errors import DataError, RecipeError
from pipelines.prepared import COLUMNS
from pipelines.recipe_file import Entrant, load, load_entrants, override, write_yaml

DEMO = Path(__file__).resolve().parents[2] / "recipes" / "demo.yaml"
SMALL = ("image.height=28", "image.width=28", "model.filters=[4, 6]", "model.dense=4", "train.batch=16")


@pytest.fixture
def project(tmp_path, rng):
    """A project with a small recipe and its prepared splits."""
    (tmp_path / "recipes").mkdir()
    write_yaml(override(DEMO, SMALL), tmp_path / "recipes" / "demo.yaml")
    prepared = tmp_path / "data" / "demo" / "prepared"
    prepared.mkdir(parents=True)
    for split, count in (("train", 40), ("val", 24)):
        targets = np.arange(count) % 2
        images = rng.integers(0, 120, (count, 28, 28, 1), dtype=np.uint8)
        images[targets == 1, 8:18, 8:18] += 100
        np.save(prepared / f"{split}.npy", images)
        rows = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(count)).assign(target=targets)
        rows.to_parquet(prepared / f"{split}.parquet")
    return tmp_path


def test_networks_are_measured_once_on_the_same_images(project, monkeypatch):
    page = compare(project, "demo", ["lenet-5", "own"], images=32, epochs=1)
    rows = pd.read_csv(page.with_suffix(".csv"))
    assert rows["model"].tolist() == ["lenet_5", "small_cnn"]
    assert (rows["checked"] == 24).all()
    assert (rows[["training_rate", "milliseconds", "batch_rate", "multiply_adds"]] > 0).all().all()
    text = page.read_text()
    assert "the same 32 training images, 1 epoch" in text
    assert "small_cnn (of the recipe)" in text
    assert "began with trained weights" not in text
    monkeypatch.setattr("pipelines.architecture.contest._measure", lambda *told: pytest.fail("measured again"))
    compare(project, "demo", ["own", "lenet-5"], images=32, epochs=1)
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        compare(project, "demo", ["own"], images=32, epochs=2)


def test_the_part_of_the_training_images_is_the_recipe_s_choice(project):
    some, again, all_of_them = (contest(project, images=images).learn for images in (10, 10, 1000))
    assert np.array_equal(some.images, again.images)
    assert (len(some.targets), len(all_of_them.targets)) == (10, 40)


def test_what_was_measured_counts_for_the_same_data_and_numbers_alone(project):
    first = contest(project)
    own, lenet = Entrant(model=first.recipe.model, learning_rate=None), load_entrants(CLASSICS)["lenet-5"]
    keys = [first.key(own), first.key(lenet), contest(project, images=20).key(own), contest(project, epochs=2).key(own)]
    assert len(set(keys)) == 4
    assert contest(project).key(own) == keys[0]
    assert first.key(own.model_copy(update={"learning_rate": 1e-5})) not in keys
    file = project / "data" / "demo" / "prepared" / "train.npy"
    images = np.load(file)
    np.save(file, images // 2)
    assert contest(project).key(own) != keys[0]


def test_the_pace_is_that_of_the_steps_and_nothing_is_written(tmp_path, monkeypatch):
    times = iter([10.0, 10.5, 11.0, 19.0])
    monkeypatch.setattr("pipelines.architecture.contest.time.perf_counter", lambda: next(times))
    pace = Pace(tmp_path / "nothing")
    assert not any(pace.due() for _ in range(4))
    pace.save({"weights": np.zeros(3)}, {"step": 1})
    assert pace.seconds == [0.5, 0.5, 8.0]
    assert pace.load() is None
    assert not (tmp_path / "nothing").exists()


def test_the_chart_fills_the_own_network_alone_and_names_every_one():
    rows = [
        {"model": name, "own": name == "ours", "right": 8 + place, "checked": 24, "accuracy": (8 + place) / 24}
        | {"multiply_adds": 10 ** (5 + place), "parameters": 10 ** (5 + place)}
        for place, name in enumerate(("ours", "theirs", "another"))
    ]
    [axis] = chart(rows).axes
    assert [text.get_text() for text in axis.texts] == ["ours", "theirs", "another"]
    assert [text.xy for text in axis.texts] == [tuple(dots.get_offsets()[0]) for dots in axis.collections]
    faces = [dots.get_facecolor()[0][:3].tolist() for dots in axis.collections]
    assert [face == [1, 1, 1] for face in faces] == [False, True, True]
    sizes = [dots.get_sizes()[0] for dots in axis.collections]
    assert sizes == sorted(sizes)


def test_every_landmark_fits_the_sections_of_a_recipe():
    assert set(load_entrants(CLASSICS)) == {"lenet-5", "alexnet", "vgg16", "vgg19"}


def test_a_network_that_has_a_rate_of_its_own_learns_at_that(project):
    some, entrants = contest(project), load_entrants(CLASSICS)
    assert some.train(entrants["vgg16"]).learning_rate == 1e-4
    assert some.train(entrants["lenet-5"]) == some.train(entrants["alexnet"])
    assert some.train(entrants["lenet-5"]).learning_rate == some.recipe.train.learning_rate


def test_mistakes_are_named(project, monkeypatch, capsys):
    with pytest.raises(RecipeError, match="There is no model 'lenet' to compare. Choose from: lenet-5, alexnet"):
        compare(project, "demo", ["lenet"], 10, 1)
    with pytest.raises(RecipeError, match="Received 0 images and 1 epochs. Expected at least one of each"):
        compare(project, "demo", ["own"], 0, 1)
    with pytest.raises(RecipeError, match="Among 1 training images is none of (NORMAL|PNEUMONIA). Raise --images."):
        compare(project, "demo", ["own"], 1, 1)
    (project / "data" / "demo" / "prepared" / "val.npy").unlink()
    with pytest.raises(DataError, match="no prepared split 'val'"):
        compare(project, "demo", ["own"], 10, 1)
    monkeypatch.chdir(project)
    with pytest.raises(SystemExit) as ended:
        main(["--recipe", "demo", "--models", " own, ,"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: ")


def contest(project, images=32, epochs=1):
    recipe = load(project / "recipes" / "demo.yaml")
    return Contest(project / "data" / "demo" / "prepared", recipe, images, epochs)
