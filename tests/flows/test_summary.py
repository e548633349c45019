import json

from flows.summary import summary


def test_a_run_ends_by_naming_its_figures_files_and_next_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    release = tmp_path / "data" / "demo" / "release"
    release.mkdir(parents=True)
    found = {"n": 200, "auc": 0.95, "auc_low": 0.9, "auc_high": 0.99, "sensitivity": None}
    content = {"version": "abc", "bento": "filmgate-demo-abc.bento", "metrics": {"test": found}}
    (release / "release.json").write_text(json.dumps(content))
    words = summary(tmp_path, "demo", [])
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


def test_what_the_next_commands_do_stands_in_one_column(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    release = tmp_path / "data" / "a-rather-long-name" / "release"
    release.mkdir(parents=True)
    (release / "release.json").write_text(json.dumps({"version": "abc", "bento": "a.bento", "metrics": {}}))
    lines = summary(tmp_path, "a-rather-long-name", []).splitlines()
    said = ("open the report", "serve the bento", "the web page")
    places = [line.index(words) for line in lines for words in said if words in line]
    assert len(places) == 3
    assert len(set(places)) == 1
