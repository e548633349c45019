import io

import pandas as pd
import pytest
from PIL import Image

from flows.comparison import draw, ranked, write_comparison


def done(changed, auc, loss):
    history = [
        {"epoch": epoch, "val_auc": auc - 0.1 / epoch, "val_loss": loss, "val_accuracy": 0.5} for epoch in (1, 2, 3)
    ]
    return {
        "experiment": f"run-{changed}",
        "changed": changed,
        "auc": auc,
        "accuracy": 0.7,
        "loss": loss,
        "history": history,
    }


ROWS = [done("train.batch=16", 0.8, 0.4), done("train.batch=32", 0.9, 0.5)]
FAILED = {"experiment": None, "changed": "train.batch=9999", "failed": "The device ran out of memory."}


@pytest.mark.parametrize(("monitor", "best"), [("auc", "train.batch=32"), ("loss", "train.batch=16")])
def test_runs_are_ranked_by_the_figure_of_the_recipe_and_failed_ones_stand_last(monitor, best):
    found = ranked([FAILED, *ROWS], monitor)
    assert found[0]["changed"] == best
    assert found[-1] is FAILED


def test_table_text_and_plot_tell_every_run(tmp_path):
    write_comparison(tmp_path, "demo", ranked([*ROWS, FAILED], "auc"), "auc")
    table = pd.read_csv(tmp_path / "runs.csv")
    assert table["changed"].tolist() == ["train.batch=32", "train.batch=16", "train.batch=9999"]
    assert table["rank"].tolist() == [1, 2, 3]
    text = (tmp_path / "runs.txt").read_text()
    assert "auc 0.9000" in text
    assert "failed: The device ran out of memory." in text
    with Image.open(tmp_path / "runs.png") as plot:
        assert plot.width > 1000


def test_the_plot_names_each_run_beside_its_figure():
    figure = draw("demo", ranked(ROWS, "auc"), "auc")
    dots, curves = figure.axes
    assert [label.get_text() for label in dots.get_yticklabels()] == ["train.batch=32", "train.batch=16"]
    assert len(curves.lines) == 2
    figure.savefig(io.BytesIO(), format="png")


def test_nothing_is_drawn_when_every_run_failed(tmp_path):
    write_comparison(tmp_path, "demo", [FAILED], "auc")
    assert not (tmp_path / "runs.png").exists()
    assert "failed" in (tmp_path / "runs.txt").read_text()
