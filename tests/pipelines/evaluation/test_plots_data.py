import io

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from pipelines.evaluation.plots_data import LEFT, REMOVED, shortcuts
from pipelines.plot_style import as_png


def guess(name, auc, removed=False, note=None, reach=0.03):
    low, high = (None, None) if note or auc is None else (auc - reach, min(auc + reach, 1))
    return {"name": name, "auc": auc, "auc_low": low, "auc_high": high, "removed": removed, "note": note}


def audited(*properties, **changes):
    together = {kind: guess(kind, auc) for kind, auc in (("removed", 0.9), ("left", 0.8), ("all", 0.95))}
    return {"limit": 0.7, "severity": "warn", "properties": list(properties), "together": together} | changes


SOME = (
    guess("file size", 0.91, removed=True),
    guess("border content", 0.72),
    guess("mode", 0.5, note="constant"),
    guess("age", 0.48),
    guess("sex", 0.5, note="absent"),
)


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text"))]


def bars(figure):
    """Name, end and colour of each bar, from top to bottom."""
    axis = figure.axes[0]
    names = {
        round(place, 6): label.get_text()
        for place, label in zip(axis.get_yticks(), axis.get_yticklabels(), strict=True)
    }
    found = []
    for bar in sorted(axis.patches, key=lambda bar: bar.get_y()):
        name = names[round(bar.get_y() + bar.get_height() / 2, 6)]
        found.append((name, round(bar.get_x() + bar.get_width(), 4), to_hex(bar.get_facecolor())))
    return found


def test_a_bar_stands_for_each_property_that_differs_the_best_guess_first():
    assert bars(shortcuts(audited(*SOME)))[:3] == [
        ("file size", 0.91, REMOVED.lower()),
        ("border content", 0.72, LEFT.lower()),
        ("age", 0.5, LEFT.lower()),
    ]


def test_all_together_stands_below_in_the_colour_of_its_kind():
    figure = shortcuts(audited(*SOME))
    assert [bar[:2] for bar in bars(figure)[3:]] == [
        ("all left, together", 0.8),
        ("all removed, together", 0.9),
        ("all together", 0.95),
    ]
    assert [bar[2] for bar in bars(figure)[3:5]] == [LEFT.lower(), REMOVED.lower()]


def test_every_guess_stands_in_figures_and_has_its_interval():
    figure = shortcuts(audited(*SOME))
    assert {"0.910", "0.720", "0.480", "0.800", "0.900", "0.950"} <= set(texts(figure))
    lines = [line for line in figure.axes[0].lines if len(set(line.get_ydata())) == 1]
    spans = [tuple(np.round(line.get_xdata(), 6)) for line in lines]
    assert (0.88, 0.94) in spans
    assert (0.5, 0.51) in spans


def test_the_limit_is_a_line_with_its_figure():
    figure = shortcuts(audited(*SOME))
    assert "limit of the recipe, 0.7" in texts(figure)
    assert [0.7, 0.7] in [list(line.get_xdata()) for line in figure.axes[0].lines]


@pytest.mark.parametrize("changes", [{"limit": None}, {"severity": "off"}])
def test_without_a_limit_there_is_no_line(changes):
    figure = shortcuts(audited(*SOME, **changes))
    assert not any("limit" in text for text in texts(figure))
    assert [0.7, 0.7] not in [list(line.get_xdata()) for line in figure.axes[0].lines]


@pytest.mark.parametrize(
    "properties",
    [SOME, SOME[:1], SOME[2:3], [guess(f"property {number}", 0.6) for number in range(13)]],
    ids=["some", "one", "none that differs", "all"],
)
def test_nothing_that_is_written_is_cut_off(properties):
    picture = np.asarray(Image.open(io.BytesIO(as_png(shortcuts(audited(*properties))))).convert("L"))
    assert min(picture.shape) > 200
    assert picture.std() > 5
    assert np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).min() == 255


def test_where_nothing_could_be_measured_the_figure_says_so():
    figure = shortcuts(audited(guess("age", None), together={kind: guess(kind, None) for kind in ("left",)}))
    assert "Nothing to guess from" in texts(figure)
    assert bars(figure) == []
