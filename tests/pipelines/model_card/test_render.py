from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.evaluation.gates import check
from pipelines.model_card.items import Item, Measured, Task, sections
from pipelines.model_card.people import people
from pipelines.model_card.render import model_card
from pipelines.model_card.tables import number, table, with_interval
from pipelines.recipe import CardParams, GateParams, LabelParams
from pipelines.recipe_file import load

BINARY = LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")
THREE = LabelParams(names=("a", "b", "c"), positive=None)
GATES = (
    GateParams(metric="auc", split="test", bound="low", minimum=0.8),
    GateParams(metric="ece", split="test", bound="high", maximum=0.5),
)
FACTS = {
    "data": {
        "train": {"images": 1040, "patients": 520, "labels": {"NORMAL": 622, "PNEUMONIA": 418}, "sha256": "ab" * 32}
    },
    "training": {
        "architecture": "brightness",
        "parameters": 1234,
        "epochs": 5,
        "best_epoch": 3,
        "validation_auc": 0.9,
        "validation_accuracy": 0.8,
    },
    "software": {"numpy": "2.0"},
}
POINT = {
    "rule": "sensitivity",
    "minimum": 0.9,
    "confidence": 0.95,
    "proven": True,
    "patients": 120,
    "needed": None,
    "refer_error": 0.02,
    "refer_proven": True,
    "refer_needed": None,
    "temperature": 1.3,
}
NOTHING = CardParams(**dict.fromkeys(CardParams.model_fields))
DEMO = load(Path(__file__).resolve().parents[3] / "recipes" / "demo.yaml")
TASK = Task(DEMO.source, DEMO.external, DEMO.split, DEMO.augment, DEMO.train, NOTHING)


@pytest.fixture
def parts(measured):
    """The three arguments of a model card, of imagined answers: `parts(BINARY, external=True)`."""

    def imagine(labels=BINARY, external=True, comparison=None, facts=FACTS, **changes):
        n = 40 * len(labels.names)
        splits = {"test": np.arange(n) % len(labels.names)}
        if external:
            splits["external"] = np.arange(n) % len(labels.names)
        card, tables, metrics = measured(labels, **splits)
        card = card.model_copy(update={"facts": facts, **changes, **({} if labels.positive else {"refer": None})})
        found = {name: one for split in tables.values() for name, one in people(split).items()}
        gates = check(metrics, GATES) | {"rules": {"sha256": "cd" * 32}, "loosened": []}
        return card, TASK, Measured(metrics, gates, comparison, found)

    return imagine


@pytest.fixture
def text(parts):
    return lambda *arguments, **changes: model_card(*parts(*arguments, **changes))


def test_it_opens_with_the_verdict_the_main_figures_and_what_is_open(text):
    summary = text().partition("## Intended use")[0]
    assert summary.startswith("# Bright films\n")
    assert "For research use only" in summary
    assert "**Passed.** All 2 gates passed." in summary
    assert "- On test: AUC 0.9" in summary
    assert "items of this card are open**: Intended use; Intended users; Population;" in summary


def test_what_people_did_not_state_is_marked_as_open(text):
    assert "**Ethical approval.** **open**: nobody has stated this." in text()


def test_what_people_state_stands_there_and_is_open_no_longer(parts):
    card, task, measured = parts()
    stated = NOTHING.model_copy(update={"ethics": "Approved by the board."})
    said = model_card(card, replace(task, stated=stated), measured)
    assert "**Ethical approval.** Approved by the board." in said
    assert said.partition("## Intended use")[0].count("Ethical approval") == 0
    assert "TRIPOD+AI 17 | [Ethics and responsibility](#ethics-and-responsibility) | filled |" in said


def test_every_statement_of_a_recipe_reaches_the_card(parts):
    card, task, measured = parts()
    stated = CardParams(**{name: f"Told of {name}." for name in CardParams.model_fields})
    said = model_card(card, replace(task, stated=stated), measured)
    assert [name for name in CardParams.model_fields if f"Told of {name}." not in said] == []


def test_the_checklist_names_each_item_once_and_counts_the_open_ones(parts):
    card, task, measured = parts()
    items = [item for found in sections(card, task, measured).values() for item in found]
    said = model_card(card, task, measured)
    rows = said.partition("## Checklist")[2].splitlines()
    assert len({item.name for item in items}) == len(items)
    assert sum("](#" in row for row in rows) == len(items)
    assert f"**{sum('**open**' in row for row in rows)} of {len(items)} items" in said


def test_every_link_of_the_checklist_leads_to_a_heading(text):
    said = text()
    anchors = {line[3:].lower().replace(",", "").replace(" ", "-") for line in said.splitlines() if line[:3] == "## "}
    linked = {part.partition(")")[0] for part in said.split("](#")[1:]}
    assert linked <= anchors


def test_an_empty_text_is_open():
    assert Item("Task", "", "").open
    assert Item("Task", "", None).open
    assert not Item("Task", "", "It tells films apart.").open


def test_it_gives_images_patients_and_labels_of_every_split(text):
    said = text()
    assert "| train | 1,040 | 520 | 622 | 418 |" in said
    assert "| test | 80 | 40 | 40 | 40 |" in said


def test_it_counts_the_images_whose_sex_view_or_age_is_not_known(text):
    said = text()
    assert (
        "Not known: on test view of 80, sex of 80, age of 80 of 80 images; on external sex of 80 of 80 images." in said
    )
    assert "| external | not known | 53 (" in said


def test_it_gives_figures_with_intervals_and_n(parts):
    card, task, measured = parts()
    figures = measured.metrics["test"]
    row = f"| Sensitivity (recall) | {figures['sensitivity']:.3f} ({figures['sensitivity_low']:.3f} to "
    assert row in model_card(card, task, measured)
    assert "; n 40)" in model_card(card, task, measured)


def test_it_names_the_worst_subgroup(parts):
    card, task, measured = parts()
    worst = {"by": "sex", "group": "F", "metric": "balanced_accuracy", "value": 0.81, "n": 40, "small": False}
    measured.metrics["external"]["worst"] = worst
    assert "Worst on external: **sex F**, balanced accuracy 0.810 (n 40)." in model_card(card, task, measured)


def test_it_says_what_the_threshold_promises(text):
    said = text(facts=FACTS | {"operating_point": POINT})
    assert "Positive from a probability of 0.500 on" in said
    assert "Between 0.400 and 0.600, the refer band" in said
    assert "a sensitivity of at least 0.9 for new patients of the same hospital, with a confidence of 95 %" in said
    assert "a temperature of 1.300" in said


def test_a_model_whose_operating_point_was_not_recorded_has_a_card_too(text):
    said = text(facts={})
    assert "Positive from a probability of 0.500 on" in said
    assert "promises" not in said
    assert "**Architecture.** **open**" in said


def test_without_a_refer_band_it_says_so(text):
    assert "No image is referred to a person" in text(refer=None)


def test_the_randomisation_check_is_told(text):
    check = {"images": 64, "shuffles": 3, "similarity": 0.27, "passed": True}
    assert "correlation with the true ones is 0.27" in text(facts=FACTS | {"randomisation": check})
    assert "**Explanation.** **open**: this was not measured." in text()


def test_it_lists_gates_with_minimum_and_maximum(text):
    said = text()
    assert "| AUC on test, lower bound | at least 0.8 | 0." in said
    assert "| calibration error on test, upper bound | at most 0.5 | 0." in said


def test_it_warns_that_gates_were_loosened(parts):
    card, task, measured = parts()
    measured = replace(measured, gates={**measured.gates, "loosened": ["auc on test was gated."]})
    assert "**Asked less than of the model in production.** auc on test was gated." in model_card(card, task, measured)


def test_it_compares_with_the_model_in_production(text):
    figures = {"champion": 0.9, "challenger": 0.92, "difference": 0.02, "low": -0.01, "high": 0.05, "p": None, "n": 80}
    split = {
        "figures": {"auc": {**figures, "verdict": "not worse", "needed": None}},
        "verdict": "not worse",
        "same_images": True,
        "trained_on": 0,
        "n": 80,
    }
    said = text(comparison={"champion": {"version": "abc", "threshold": 0.5}, "splits": {"test": split}})
    assert "Against version abc, which is in production: not worse on test." in said
    assert "| test | AUC | 0.900 | 0.920 | +0.020 (-0.010 to +0.050) | not worse |" in said


def test_without_a_second_hospital_it_warns(text):
    said = text(external=False)
    assert "**Testing on external data.** None." in said
    assert "- It was never measured on images of another hospital" in said


def test_with_many_classes_it_has_no_threshold(text):
    said = text(THREE)
    assert "that tells a, b, c apart" in said
    assert "**Threshold.** None: the answer is the most probable of a, b, c." in said
    assert "means over the classes" in said
    assert "Predictive values" not in said
    assert "of the images positive" not in said


def test_it_names_the_hash_of_the_model_and_of_the_prepared_images(parts):
    card, task, measured = parts()
    said = model_card(card, task, measured)
    assert f"| model.onnx | `{card.sha256}` |" in said
    assert f"| prepared images of train | `{'ab' * 32}` |" in said


def test_it_gives_the_command_that_computes_every_figure_again(text):
    assert "python -m pipelines.recompute --evaluation data/tiny/evaluation" in text()


@pytest.mark.parametrize("labels", [BINARY, THREE])
def test_its_tables_are_whole_and_its_lines_end_in_a_word(text, labels):
    lines = text(labels).splitlines()
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        assert line or not (before.startswith("|") and after.startswith("|"))
        assert not line.startswith("|") or before.startswith("|") or not before
        assert line == line.rstrip()


def test_a_table_is_markdown():
    assert table(["a", "b"], [[1, 2]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_a_figure_stands_with_what_is_known_of_it():
    assert with_interval({"f1": 0.5}, "f1") == "0.500"
    assert (
        with_interval({"f1": 0.5, "f1_low": 0.4, "f1_high": 0.6, "f1_n": 7, "n": 7}, "f1") == "0.500 (0.400 to 0.600)"
    )
    assert with_interval({"f1": 0.5, "f1_low": 0.4, "f1_high": 0.6, "f1_n": 7, "n": 9}, "f1") == (
        "0.500 (0.400 to 0.600; n 7)"
    )
    assert with_interval({"f1": None, "f1_n": 0, "n": 9}, "f1") == "-"


def test_numbers_are_written_for_people():
    assert [number(value) for value in (None, 0.12345, 12345, "a")] == ["-", "0.123", "12,345", "a"]


def test_a_file_in_eight_bits_says_so_and_one_in_single_precision_says_nothing(text):
    lost = {"probability": 0.0104, "largest": 0.21, "heatmap": 0.97, "distance": 1.2}
    said = text(facts=FACTS | {"precision": "int8", "quantisation": lost})
    assert "calculates its convolutions in eight bits" in said
    assert f"by {number(0.0104)} on average, by {number(0.21)} at most" in said
    assert "eight bits" not in text(facts=FACTS | {"precision": "float32", "quantisation": None})
