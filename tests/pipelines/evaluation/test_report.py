import json
import re

import numpy as np
import pandas as pd
import pytest

from pipelines.architecture.files import read_architecture
from pipelines.evaluation.figures_text import as_text, chance, share
from pipelines.evaluation.gallery import Tile
from pipelines.evaluation.record import Champion, record
from pipelines.evaluation.report import Shown, flat, render
from pipelines.evaluation.sentences import promise, shortcut_findings, shortcut_gaps
from pipelines.recipe import GateParams, LabelParams
from tests.pipelines.conftest import card_of, terms_of

PIXEL = b"\x89PNG"
GATES = (
    GateParams(metric="sensitivity", split="test", bound="low", minimum=0.1),
    GateParams(metric="auc", split="test", bound="low", minimum=1.0),
)


def guess(name, auc, removed=False, note=None):
    return {"name": name, "auc": auc, "auc_low": auc, "auc_high": auc, "removed": removed, "note": note}


def three(value):
    """Three decimals; the area of the second hospital ends at 0.9998, which must not read as 1."""
    return {0.9998: "0.9998"}.get(round(value, 4), f"{value:.3f}")


def audited(*properties, together=0.6, **changes):
    """A shortcut audit as the validate stage writes it."""
    sums = {kind: guess(kind, together) for kind in ("removed", "left", "all")}
    found = {"limit": 0.7, "severity": "warn", "note": None, "properties": list(properties), "together": sums}
    return found | changes


def page(measured, labels, gates=GATES, architecture=None, terms=None, **splits):
    """The report of imagined answers, and what it should say."""
    card, tables, _ = measured(labels, **splits)
    table = pd.concat(tables.values())
    if terms:
        mirror = table["probability"].to_numpy()[::-1]
        table = table.assign(champion_probability_PNEUMONIA=mirror, champion_probability_NORMAL=1 - mirror)
    found = record(table, terms_of(labels, gates, **(terms or {})))
    tiles = {"test": {"False negatives": [Tile("a<b>.png", "NORMAL", np.zeros((4, 8, 3), dtype=np.uint8))]}}
    pictures = {"roc": PIXEL, "shortcuts": PIXEL + b"2"}
    told = audited(guess("file size", 0.95, removed=True), guess("age", 0.61), guess("mode", 0.5, note="constant"))
    again = "python -m pipelines.evaluate --recipe x.yaml"
    shown = Shown(pictures, tiles, told, architecture, "failures.html", "data/tiny/evaluation", again)
    return render(card, found, shown), found.metrics, found.gates


@pytest.fixture
def two(measured, labels):
    return page(measured, labels, test=np.arange(60) % 2, external=np.arange(30) % 2)


def test_the_report_asks_nothing_of_anybody(two):
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')>\s]+)""", two[0])
    assert len(addresses) == 4
    assert [address for address in addresses if not address.startswith("data:image/")] == ["failures.html"]
    assert "<script" not in two[0]
    assert "http" not in two[0]


def test_the_architecture_stands_in_the_report_where_it_is_known(measured, labels, tmp_path):
    layer = {"name": "conv2d_7", "kind": "convolution", "filter": "3 x 3", "stride": 1, "padding": "same"}
    layer |= {"size_by_formula": [28, 28, 8], "size": [28, 28, 8], "parameters_by_formula": 80, "parameters": 81}
    layer |= {"receptive_field": 3, "multiply_adds": 56448, "agrees": False, "listed": True}
    totals = {"depth": 9, "parameters": 12345, "multiply_adds": 56448, "receptive_field": 3, "filters": ["3 x 3"]}
    told = {"name": "tiny_net", "input": [28, 28, 1], "layers": [layer], "totals": totals}
    assert read_architecture(tmp_path) is None
    (tmp_path / "architecture.json").write_text(json.dumps(told))
    for name in ("filters", "maps"):
        (tmp_path / f"{name}.png").write_bytes(PIXEL)
    html, *_ = page(measured, labels, architecture=read_architecture(tmp_path), test=np.arange(60) % 2)
    assert "tiny_net: 9 layers with weights" in html
    assert "<tr class=differs><th>conv2d_7</th>" in html
    assert "Formula and network differ in conv2d_7." in html
    assert html.count("data:image/png") == 4
    assert "Architecture" not in page(measured, labels, test=np.arange(60) % 2)[0]


def test_the_verdict_comes_before_the_figures_and_gives_every_reason(two):
    html, _, verdict = two
    assert html.index("Not passed.") < html.index("<h2>Figures</h2>") < html.index("data:image/png")
    for gate in verdict["gates"]:
        assert gate["reason"] in html


def test_passed_is_said_only_where_all_gates_passed(measured, labels):
    html, _, verdict = page(measured, labels, GATES[:1], test=np.arange(60) % 2)
    assert verdict["passed"]
    assert "<strong>Passed.</strong>" in html
    assert "Not passed." not in html


def test_a_split_that_no_gate_looks_at_is_named_beside_the_verdict(two):
    html, metrics, _ = two
    assert f"No gate asks anything of external: auc {metrics['external']['auc']:.3f} (" in html
    assert "No gate asks anything of test" not in html
    assert html.index("No gate asks") < html.index("<h2>Figures</h2>")


def test_every_figure_stands_there_with_its_interval(two):
    html, metrics, _ = two
    for found in metrics.values():
        for name in ("auc", "sensitivity", "specificity", "precision", "accuracy"):
            interval = f"{three(found[f'{name}_low'])} to {three(found[f'{name}_high'])}"
            n = "" if found[f"{name}_n"] == found["n"] else f", n {found[f'{name}_n']}"
            assert f"<b>{three(found[name])}</b> <span>{interval}{n}</span>" in html


def test_names_from_outside_are_text_and_no_markup(two):
    assert "a&lt;b&gt;.png" in two[0]
    assert "a<b>.png" not in two[0]


def test_it_says_that_it_is_for_research_and_how_to_compute_it_again(two):
    assert "research" in two[0]
    assert "python -m pipelines.evaluate --recipe x.yaml" in two[0]
    assert "python -m pipelines.recompute --evaluation data/tiny/evaluation" in two[0]


def test_what_gives_the_label_away_is_shown_once_with_a_sentence(two):
    section = two[0][two[0].index("<h2>What gives the label away") : two[0].index("<h2>The model</h2>")]
    assert section.count("data:image/png") == 1
    assert "age guesses best (AUC 0.610). Nothing that is left exceeds the limit of 0.7." in section
    assert "The same in every image: mode." in section
    assert two[0].count("data:image/png") == 2


def test_a_shortcut_that_preparation_leaves_is_named_with_what_it_means():
    words = shortcut_findings(audited(guess("age", 0.61), guess("file size", 0.9, removed=True), guess("site", 0.82)))
    assert "site guesses best (AUC 0.820). Above the limit of 0.7: site. A model may have learnt this" in words
    assert "file size" not in words


def test_properties_that_only_together_give_the_label_away_are_named():
    words = shortcut_findings(audited(guess("age", 0.61), guess("site", 0.62), together=0.75))
    assert "Above the limit of 0.7: all that is left, together (0.750)." in words


@pytest.mark.parametrize("changes", [{"limit": None}, {"severity": "off"}])
def test_without_a_limit_nothing_is_above_it(changes):
    words = shortcut_findings(audited(guess("site", 0.82), **changes))
    assert words == "Of what preparation leaves for the model to see, site guesses best (AUC 0.820)."


def test_an_audit_without_findings_says_so():
    constant = audited(guess("age", 0.5, note="constant"), guess("bytes", 0.8, removed=True))
    assert "nothing differs between the images" in shortcut_findings(constant)
    unmeasured = audited(guess("age", None), note="Nothing was measured: there are fewer than two patients of A.")
    assert shortcut_findings(unmeasured) == "Nothing could be measured."
    assert shortcut_gaps(unmeasured) == "Nothing was measured: there are fewer than two patients of A."
    assert shortcut_gaps(audited(guess("age", 0.6))) == ""


def test_small_groups_are_marked(two):
    assert re.search(r"view AP \*", two[0])


def test_a_figure_that_cannot_be_computed_is_a_dash(measured, labels):
    html, metrics, _ = page(measured, labels, test=np.zeros(5, dtype=int))
    assert metrics["test"]["sensitivity"] is None
    assert "<b>–</b>" in html
    assert "None" not in html


def test_with_more_classes_each_has_its_own_line(measured):
    labels = LabelParams(names=("ant", "bee", "cat"), positive=None)
    html, metrics, _ = page(measured, labels, test=np.arange(60) % 3)
    for label in labels.names:
        assert f"<tr><th>{label}</th>" in html
        assert f"{metrics['test']['classes'][label]['auc']:.3f}" in html


def test_facts_are_named_from_the_outside_in():
    facts = {"data": {"train": {"images": 1234}}, "parity": {"probability": 1.23456e-7}, "ready": True}
    assert dict(flat(facts)) == {
        "data › train › images": "1,234",
        "parity › probability": "1.235e-07",
        "ready": "yes",
    }


def test_the_terminal_gets_the_figures_and_the_gates(two):
    _, metrics, verdict = two
    text = as_text(metrics, verdict)
    assert f"{metrics['external']['auc']:.3f}" in text
    assert re.search(r"pass  sensitivity on test.*\n  FAIL  auc on test", text)
    assert max(map(len, text.splitlines())) < 160


def test_each_gate_says_how_far_it_is_and_how_many_images_would_prove_it(measured, labels):
    gates = (GateParams(metric="accuracy", split="test", bound="low", minimum=0.8),)
    html, metrics, verdict = page(measured, labels, gates, test=np.arange(40) % 2)
    (gate,) = verdict["gates"]
    assert metrics["test"]["accuracy_low"] < 0.8 < metrics["test"]["accuracy"]
    assert f"<td>{gate['margin']:+.3f}</td><td>40</td>" in html
    assert f"<td>{gate['needed']:,}</td>" in html


CHAMPION = Champion(
    version="abcdef123456",
    threshold=0.5,
    images={"test": "0" * 64},
    trained_on={"test": 4},
    rules={"gates": [GATES[0].model_dump() | {"minimum": 0.9}], "margin": 0.01},
)


def test_the_model_in_production_is_set_beside_with_all_that_must_be_known(measured, labels):
    html, _, verdict = page(measured, labels, terms={"champion": CHAMPION}, test=np.arange(60) % 2)
    assert "Against version abcdef123456, which is in production: better on test." in html
    assert "was trained on 4 of the 60 test images" in html
    assert "McNemar" in html
    assert "The rules were loosened." in html
    assert len(verdict["loosened"]) == 2
    assert all(sentence in html for sentence in verdict["loosened"])


def test_without_a_model_in_production_that_is_said(two):
    assert "There is no model in production to compare with." in two[0]
    assert "The rules were loosened." not in two[0]


POINT = {"rule": "sensitivity", "minimum": 0.9, "confidence": 0.95, "patients": 20, "positives": 31, "needed": 29}
POINT |= {"proven": False, "refer_error": 0.02, "refer_proven": True, "refer_needed": None}


def test_a_promise_is_told_with_whether_it_is_proven(labels):
    said = " ".join(promise(card_of(labels, facts={"operating_point": POINT})))
    assert "a sensitivity of at least 0.9 for new patients of the same hospital, with a confidence of 95 %" in said
    assert "The 20 validation patients with positive images do not prove it; 29 without a miss would be needed." in said
    proven = " ".join(promise(card_of(labels, facts={"operating_point": POINT | {"proven": True, "needed": None}})))
    assert "The 20 validation patients with positive images prove it." in proven
    observed = promise(card_of(labels, facts={"operating_point": POINT | {"rule": "youden", "proven": None}}))
    assert "which promises nothing" in observed[0]
    assert promise(card_of(labels)) == []


def test_what_cannot_be_estimated_is_named_with_its_reason(measured, labels):
    html, *_ = page(measured, labels, test=np.zeros(5, dtype=int))
    assert "Not estimable on test: " in html
    assert "AUC (no positives)" in html


def test_a_model_that_is_no_better_than_chance_elsewhere_is_said_to_be_so():
    poor, good = ({"n": 9, "auc": 0.55, "auc_low": low, "auc_high": 0.7} for low in (0.41, 0.51))
    gates = [{"split": "test sex=F"}]
    assert chance({"test": good, "val": {"n": 0, "auc": None}}, gates) == []
    (said,) = chance({"test": good, "external": poor}, gates)
    assert said == (
        "On external the model is not proven to be better than chance: AUC 0.550 (0.410 to 0.700). "
        "No gate asks anything of these images."
    )
    assert chance({"test": poor}, gates)[0].endswith("(0.410 to 0.700).")


def test_the_report_and_the_terminal_warn_of_a_model_that_guesses(measured, labels):
    html, metrics, gates = page(measured, labels, test=np.arange(60) % 2, external=np.array([0, 1, 0, 1]))
    assert metrics["external"]["auc_low"] <= 0.5 < metrics["test"]["auc_low"]
    (said,) = re.findall(r'<p class="flag">(On external .*?)</p>', html)
    assert f"note  {said}" in as_text(metrics, gates)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"),
        (0.98749, "0.987"),
        (1.0, "1.000"),
        (0.0, "0.000"),
        (0.99997, "0.99997"),
        (2e-4, "0.0002"),
        (1e-9, "0.000"),
    ],
)
def test_a_figure_is_not_rounded_to_certainty(value, said):
    assert share(value) == said
