from flows.artifacts import figures


def test_a_figure_stands_with_its_interval_and_a_missing_one_as_a_dash():
    found = {"n": 624, "auc": 0.97, "auc_low": 0.95, "auc_high": 0.98, "f1": 0.9, "brier": None}
    head, rule, row = figures({"test": found}).splitlines()
    assert row.startswith("| test | 624 | 0.970 (0.950 to 0.980) | - |")
    assert "| 0.900 |" in row
    assert head.count("|") == rule.count("|") == row.count("|")


def test_what_must_be_known_stands_under_the_figures():
    found = figures({"test": {"n": 9, "auc": 0.6}}, ["On test the model guesses."])
    assert found.endswith("|\n\n**On test the model guesses.**")
