from pathlib import Path

import pytest

from pipelines.errors import RecipeError
from pipelines.recipe_file import load, load_sections, override, read_yaml, write_yaml

DEMO = Path(__file__).resolve().parents[2] / "recipes" / "demo.yaml"


@pytest.fixture
def recipe(tmp_path):
    """A copy of the demo's recipe, with one text replaced by another."""

    def copy(old="", new=""):
        text = DEMO.read_text()
        assert old in text
        path = tmp_path / "copy.yaml"
        path.write_text(text.replace(old, new, 1))
        return path

    return copy


def test_a_number_in_scientific_notation_is_a_number(recipe):
    assert load(recipe("learning_rate: 2e-3", "learning_rate: 1e-4")).train.learning_rate == 1e-4


def test_a_recipe_cannot_be_changed_after_loading():
    with pytest.raises(ValueError, match="frozen"):
        load(DEMO).train.epochs = 3


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("\n  epochs:", "\n  epoch:", r"train\.epochs is missing|train\.epoch is not a key of a recipe"),
        ("batch: 32", "batch: 32\n  bach: 1", r"train\.bach is not a key of a recipe\. Did you mean batch\?"),
        ("learning_rate: 2e-3", "learning_rate: '1e-4'", r"train\.learning_rate must be .*number\. Received: '1e-4'"),
        ("\n  epochs: ", "\n  epochs: -", r"train\.epochs must be greater than 0\. Received: -"),
        ("flip: false", "flip: 'no'", r"augment\.flip must be .*boolean\. Received: 'no' \(str\)"),
        ("positive: PNEUMONIA", "positive: TB", "labels has 'TB' as positive"),
        ("test: 0.25", "test: -0.25", r"split\.test must be greater than 0"),
        ("kind: folder", "kind: zip", r"source\.kind must be one of folder, dicom, idx, npz, cifar\. Received: 'zip'"),
        ("  site: riverside", "  sit: riverside", r"source\.(site is missing|sit is not .*Did you mean site\?)"),
        ("file: films.csv", "file: films.csv\n    lable: x", r"source\.table\.lable is not .* Did you mean label\?"),
        ("hash_bits: 4", "hash_bits: 99", r"alike\.hash_bits must be less than or equal to 16"),
        (
            "blank: {severity: quarantine",
            "blank: {severity: shout",
            r"checks\.blank\.severity must be 'fail', 'quarantine'",
        ),
        (
            "drift: {severity: warn",
            "drift: {severity: quarantine",
            r"checks\.drift\.severity must be 'fail', 'warn' or 'off'",
        ),
        ("metric: auc", "metric: acc", r"gates\.2\.metric must be .*'auc'"),
        ("name: small-cnn", "name: vgg99", r"model\.name must be one of small-cnn, .*torch-cnn\. Received: 'vgg99'"),
        ("name: small-cnn", "nam: small-cnn", r"model\.name is missing\. Add one of small-cnn"),
        (
            "filters: [16",
            "filtres: [16",
            r"model\.filt(ers is missing|res is not a key of a recipe\. Did you mean filters)",
        ),
        ("title: ", "title: [", "is not valid YAML"),
    ],
)
def test_what_does_not_fit_is_named_in_one_sentence(recipe, old, new, sentence):
    with pytest.raises(RecipeError, match=sentence) as caught:
        load(recipe(old, new))
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_lists_the_known_ones():
    with pytest.raises(RecipeError, match=r"no .*dmeo\.yaml\. Known recipes: chest-xray, cifar10, demo"):
        load(DEMO.with_name("dmeo.yaml"))


def test_a_list_is_no_recipe(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(RecipeError, match="holds list"):
        load(tmp_path / "list.yaml")


def test_sections_come_by_name_and_the_recipe_knows_its_own():
    sections = load_sections(DEMO, ["recipe", "image"])
    assert sections["recipe"] == "demo"
    assert sections["image"].height == read_yaml(DEMO)["image"]["height"]


def test_an_override_changes_one_value_and_not_the_file():
    before = DEMO.read_bytes()
    assert override(DEMO, ["train.epochs=2", "gates.0.minimum=0.5"])["gates"][0]["minimum"] == 0.5
    assert DEMO.read_bytes() == before


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("train.epochs", "takes section.key=value"),
        ("trian.epochs=3", "no section 'trian'"),
        ("train.epohcs=3", "Did you mean epochs"),
        ("train.epochs=many", "Received: 'many'"),
        ("gates.7.minimum=0.5", "no entry '7'"),
        ("gates.first.minimum=0.5", "no entry 'first'"),
        ("title.x=3", "no section 'title'"),
    ],
)
def test_an_override_that_does_not_fit_is_named(assignment, sentence):
    with pytest.raises(RecipeError, match=sentence):
        override(DEMO, [assignment])


def test_what_is_written_reads_the_same(tmp_path):
    values = override(DEMO, ["train.learning_rate=1e-5"])
    write_yaml(values, tmp_path / "written.yaml")
    assert read_yaml(tmp_path / "written.yaml") == values
