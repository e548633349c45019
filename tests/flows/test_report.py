import pytest

from flows import report


def test_without_a_report_the_command_that_makes_one_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    with pytest.raises(SystemExit) as caught:
        report.main(["--recipe", "demo"])
    assert caught.value.code == 1
    assert "python -m flows.retrain --recipe demo" in capsys.readouterr().err


def test_where_there_is_no_screen_the_report_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    page = tmp_path / "data" / "demo" / "evaluation" / "report.html"
    page.parent.mkdir(parents=True)
    page.touch()
    report.main([])
    assert capsys.readouterr().out.strip() == str(page)
