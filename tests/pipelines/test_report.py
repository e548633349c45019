import re

import numpy as np
import pytest

from pipelines.gallery import Tile
from pipelines.gates import check
from pipelines.recipe import GateParams, LabelParams
from pipelines.report import as_text, flat, render

PIXEL = b"\x89PNG"
GATES = (
    GateParams(metric="sensitivity", split="test", bound="low", minimum=0.1),
    GateParams(metric="auc", split="test", bound="low", minimum=1.0),
)


def page(measured, labels, gates=GATES, **splits):
    """The report of imagined answers, and what it should say."""
    card, _, metrics = measured(labels, **splits)
    verdict = check(metrics, gates)
    tiles = {"test": {"False negatives": [Tile("a<b>.png", "NORMAL", np.zeros((4, 8, 3), dtype=np.uint8))]}}
    html = render(card, metrics, verdict, {"roc": PIXEL}, tiles, "python -m pipelines.evaluate --recipe x.yaml")
    return html, metrics, verdict


@pytest.fixture
def two(measured, labels):
    return page(measured, labels, test=np.arange(60) % 2, external=np.arange(30) % 2)


def test_the_report_asks_nothing_of_anybody(two):
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')>\s]+)""", two[0])
    assert len(addresses) == 2
    assert all(address.startswith("data:image/") for address in addresses)
    assert "<script" not in two[0]
    assert "http" not in two[0]


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
            interval = f"{found[f'{name}_low']:.3f} to {found[f'{name}_high']:.3f}"
            assert f"<b>{found[name]:.3f}</b> <span>{interval}</span>" in html


def test_names_from_outside_are_text_and_no_markup(two):
    assert "a&lt;b&gt;.png" in two[0]
    assert "a<b>.png" not in two[0]


def test_it_says_that_it_is_for_research_and_how_to_compute_it_again(two):
    assert "research" in two[0]
    assert "python -m pipelines.evaluate --recipe x.yaml" in two[0]


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
        "ready": "True",
    }


def test_the_terminal_gets_the_figures_and_the_gates(two):
    _, metrics, verdict = two
    text = as_text(metrics, verdict)
    assert f"{metrics['external']['auc']:.3f}" in text
    assert re.search(r"pass  sensitivity on test.*\n  FAIL  auc on test", text)
    assert max(map(len, text.splitlines())) < 120
