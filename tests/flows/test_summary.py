import json

import pytest

from flows.summary import summary

FOUND = {"n": 200, "auc": 0.95, "auc_low": 0.9, "auc_high": 0.99, "sensitivity": None}


@pytest.fixture
def said(tmp_path, monkeypatch):
    """A function that gives the last words of a run that ended well, from the files that it left."""
    monkeypatch.chdir(tmp_path)

    def say(recipe="demo", metrics=None, loosened=()):
        for name in ("release", "evaluation"):
            (tmp_path / "data" / recipe / name).mkdir(parents=True)
        note = {"version": "abc", "bento": "filmgate-demo-abc.bento", "metrics": metrics or {"test": FOUND}}
        (tmp_path / "data" / recipe / "release" / "release.json").write_text(json.dumps(note))
        gates = {"gates": [], "loosened": list(loosened)}
        (tmp_path / "data" / recipe / "evaluation" / "gates.json").write_text(json.dumps(gates))
        return summary(tmp_path, recipe, [])

    return say


def test_a_run_ends_by_naming_its_figures_files_and_next_commands(said):
    words = said()
    for part in (
        "version abc",
        "n 200",
        "auc 0.950 (0.900 to 0.990)",
        "data/demo/evaluation/report.html",
        "data/demo/release/filmgate-demo-abc.bento",
        "make serve",
        "make app",
    ):
        assert part in words
    assert "sensitivity" not in words
    assert "note" not in words


def test_it_ends_by_saying_what_must_be_known_of_the_verdict(said):
    words = said(metrics={"external": FOUND | {"auc_low": 0.4}}, loosened=["auc on test was gated."])
    assert "  note     auc on test was gated.\n" in words
    assert "  note     On external the model is not proven to be better than chance" in words


def test_what_the_next_commands_do_stands_in_one_column(said):
    lines = said("a-rather-long-name").splitlines()
    told = ("open the report", "serve the bento", "the web page")
    places = [line.index(words) for line in lines for words in told if words in line]
    assert len(places) == 3
    assert len(set(places)) == 1
