import base64
import io
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.architecture.formulas import as_json
from pipelines.architecture.write import write_architecture
from pipelines.errors import RecipeError
from pipelines.inspect import as_text, film_of, inspect, main, network_of, recipe_file
from pipelines.prepared import COLUMNS
from tests.pipelines.patches import AUGMENT, IMAGE, LABELS, NORMALISED, PLAIN, draw, learner

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def tiny_recipe(train):
    """As much of a recipe as a network follows from."""
    return SimpleNamespace(image=IMAGE, labels=LABELS, augment=AUGMENT, model=NORMALISED, train=train)


def write_split(prepared, images):
    prepared.mkdir(parents=True, exist_ok=True)
    np.save(prepared / "train.npy", images)
    pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(len(images))).to_parquet(prepared / "train.parquet")


@pytest.fixture
def project(tmp_path):
    """A project with recipes and nothing computed."""
    (tmp_path / "recipes").symlink_to(RECIPES)
    return tmp_path


def test_the_page_holds_table_and_pictures_and_needs_nothing_else(project, capsys):
    page = inspect(project, "mnist")
    text = page.read_text()
    assert page == project / ".filmgate/architecture/mnist.html"
    assert text.count("<td>convolution</td>") == 2
    assert "18,496" in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    for data in re.findall(r"data:image/png;base64,([^\"]+)", text):
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert min(picture.size) > 50
    told = capsys.readouterr().out
    assert "Not trained yet" in told
    assert "Not trained yet" in text
    assert "a drawn pattern" in text
    assert "In every layer the formulas give what the network has" in text
    assert "mnist_cnn: depth 4, 225,418 parameters, 2,660,416 multiply-adds" in told


def test_a_trained_network_and_its_film_are_shown_where_there_are(project, training, monkeypatch):
    one = learner(training())
    model, prepared = project / "data" / "demo" / "model", project / "data" / "demo" / "prepared"
    model.mkdir(parents=True)
    one.save(model)
    write_split(prepared, draw(3).images)
    shown = {}
    monkeypatch.setattr("pipelines.inspect.load", lambda file: tiny_recipe(training(seed=9)))
    monkeypatch.setattr(
        "pipelines.inspect.write_architecture",
        lambda folder, learner, image: (
            shown.update(filters=learner.first_filters(), image=image),
            write_architecture(folder, learner, image),
        ),
    )
    text = inspect(project, "demo").read_text()
    assert "those of the last training" in text
    assert "the first training image" in text
    assert np.array_equal(shown["filters"], one.first_filters())
    assert np.array_equal(shown["image"], draw(3).images[0])


@pytest.mark.parametrize("fault", ["another network", "no Keras file"])
def test_weights_that_do_not_fit_are_told_of_and_not_taken(training, tmp_path, fault):
    learner(training(), PLAIN).save(tmp_path)
    if fault == "no Keras file":
        (tmp_path / "model.keras").write_bytes(b"torn")
    found, words = network_of(tiny_recipe(training()), tmp_path)
    assert "is of another network than the recipe's: the weights are the initial ones" in words
    assert np.array_equal(found.first_filters(), learner(training()).first_filters())


def test_prepared_images_of_another_size_are_not_shown(project):
    write_split(project, draw(3).images)
    film, words = film_of(project, IMAGE.model_copy(update={"height": 20}))
    assert film.shape == (20, 16, 1)
    assert "holds other images than the recipe asks for" in words


def test_a_recipe_is_given_by_name_or_by_path(project):
    assert recipe_file(project, "mnist") == project / "recipes" / "mnist.yaml"
    assert recipe_file(project, "elsewhere/mine.yaml") == Path("elsewhere/mine.yaml")


def test_the_table_marks_what_differs_and_leaves_out_what_says_nothing(training):
    rows = learner(training()).layers(draw(1).images[0])
    kernel, activation = rows[1], next(row for row in rows if row.kind == "elementwise")
    unknown = replace(activation, name="unknown", kind="other", size_by_formula=None, parameters=7)
    told = as_json([replace(kernel, parameters=1), activation, replace(unknown, parameters_by_formula=None)])
    lines = as_text({"name": "tiny", **told}).splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == [kernel.name, "unknown"]
    assert lines[1].endswith("differs")
    assert not lines[2].endswith("differs")
    assert "-" in lines[2].split()


def test_a_recipe_that_does_not_exist_is_one_sentence(project, monkeypatch, capsys):
    with pytest.raises(RecipeError, match="Known recipes"):
        inspect(project, "nothing")
    monkeypatch.chdir(project)
    with pytest.raises(SystemExit) as ended:
        main(["--recipe", "nothing"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: There is no recipes/nothing.yaml")
