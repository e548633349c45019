import pytest

from pipelines.card import read_card
from pipelines.model_card import model_card, table, with_interval

METRICS = {
    "test": {"n": 200, "n_positive": 90, "sensitivity": 0.95, "sensitivity_low": 0.9, "sensitivity_high": 0.98},
    "external": {"n": 50, "n_positive": 20, "sensitivity": None},
}
GATES = [{"metric": "auc", "split": "test", "bound": "low", "minimum": 0.9, "value": 0.95, "passed": True}]


@pytest.fixture
def text(release_model, tmp_path):
    """The text of a model card: `text(METRICS, refer=None)`."""

    def render(metrics=METRICS, **changes):
        release_model(tmp_path, **changes)
        return model_card(read_card(tmp_path / "card.json"), metrics, GATES)

    return render


def test_it_says_what_the_model_is_for_and_that_it_is_for_research(text):
    said = text()
    assert said.startswith("# Pneumonia on phantom chest films\n")
    assert "PNEUMONIA (positive) from NORMAL (negative)" in said
    assert "For research use only" in said


def test_it_gives_data_figures_with_intervals_and_n_of_every_split(text):
    said = text()
    assert "| train | 40 | 20 | 22 | 18 |" in said
    assert "|  | test | external |" in said
    assert "| images | 200 | 50 |" in said
    assert "| sensitivity | 0.950 (0.900 to 0.980) | - |" in said


def test_it_gives_threshold_refer_band_gates_and_training(text):
    said = text()
    assert "from a probability of 0.500 on" in said
    assert "Between 0.400 and 0.600" in said
    assert "| auc on test, lower bound | 0.9 | 0.950 | passed |" in said
    assert "validation auc: 0.900" in said


def test_without_a_refer_band_it_says_so(text):
    assert "It refers no film to a person" in text(refer=None)


def test_without_a_second_hospital_it_warns(text):
    assert "never measured on films of another hospital" in text({"test": METRICS["test"]})


def test_with_many_classes_it_has_no_threshold(text):
    said = text({"test": {"n": 9, "n_positive": None, "auc": 0.9}}, threshold=None, refer=None)
    assert "The answer is the most probable of NORMAL, PNEUMONIA" in said
    assert "of them positive" not in said


def test_its_tables_have_no_holes(text):
    lines = text().splitlines()
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        assert line or not (before.startswith("|") and after.startswith("|"))


def test_a_table_is_markdown():
    assert table(["a", "b"], [[1, 2]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_a_figure_without_an_interval_stands_alone():
    assert with_interval({"f1": 0.5}, "f1") == "0.500"
