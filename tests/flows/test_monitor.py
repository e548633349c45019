"""The monitoring flow with a real Prefect server: its artifact, its event, and the retraining that it triggers."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from prefect import flow

from flows import monitor as flow_of
from pipelines.monitoring import FILE
from pipelines.monitoring.history import RETRAIN_COLUMNS, RETRAINS, WINDOW_COLUMNS, WINDOWS, read_rows, write_rows
from pipelines.monitoring.reference import write_reference
from pipelines.monitoring.windows import first_day
from pipelines.recipe_file import override, write_yaml
from serving.metrics import Metrics
from tests.pipelines.monitoring.conftest import dated, films_of, lines_of, reference_of

ROOT = Path(__file__).resolve().parents[2]
WEEK = timedelta(days=7)
FIGURES = {f"{name}{end}": 0.9 for name in ("sensitivity", "specificity") for end in ("", "_low", "_high")}
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def project(tmp_path, server, monkeypatch, release_model, rng):
    """A project with a release of the recipe demo, and no log yet."""
    monkeypatch.setenv("FILMGATE_PROJECT", str(tmp_path))
    (tmp_path / "recipes").mkdir()
    write_yaml(override(ROOT / "recipes/demo.yaml", ["monitor.retrain=true"]), tmp_path / "recipes/demo.yaml")
    release = tmp_path / "data/demo/release"
    release.mkdir(parents=True)
    card = release_model(tmp_path / "model")
    write_reference(reference_of(rng).films, card, [], release / FILE)
    (release / "release.json").write_text(json.dumps({"metrics": {"test": FIGURES}}))
    made = Project(tmp_path, card.sha256, server, rng)
    for run in made.runs():  # of the test before, whose model and drift were the same
        made.delete(f"/flow_runs/{run['id']}")
    return made


class Project:
    """A project, and what its monitor did."""

    def __init__(self, root, model, server, rng):
        self.root, self.model, self.server, self.rng = root, model, server, rng
        self.started = datetime.now(UTC)
        self.week = first_day(self.started, 7)

    @property
    def folder(self):
        return self.root / ".filmgate/monitoring/demo"

    def log(self, weeks_ago, patients=60, **changes):
        """Append a week of films to the log; gives them back."""
        start = self.week - weeks_ago * WEEK
        films = dated(films_of(self.rng, patients, **changes), start, prefix=f"week-{weeks_ago}")
        return self.append(films)

    def append(self, films):
        folder = self.root / ".filmgate/predictions/demo"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "predictions.jsonl").open("a") as file:
            file.writelines(f"{line}\n" for line in lines_of(films, model=self.model))
        return films

    def ask(self, path, body):
        return httpx.post(f"{self.server}{path}", json=body, timeout=30).raise_for_status().json()

    def delete(self, path):
        """Delete, as soon as the server's database is free to."""
        for _ in range(100):
            answer = httpx.delete(f"{self.server}{path}", timeout=30)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(0.1)
        answer.raise_for_status()

    def runs(self):
        """Runs of a deployment that a drift set off."""
        return self.ask("/flow_runs/filter", {"flow_runs": {"tags": {"all_": ["drift"]}}})

    def events(self, at_least):
        """Payloads of the events that were emitted since, as soon as there are so many."""
        seen = {"since": self.started.isoformat(), "until": (datetime.now(UTC) + WEEK).isoformat()}
        wanted = {"event": {"name": [flow_of.EVENT]}, "occurred": seen}
        for _ in range(100):
            found = self.ask("/events/filter", {"filter": wanted, "limit": 50})["events"]
            if len(found) >= at_least:
                break
            time.sleep(0.1)
        return found

    def retrains(self):
        return read_rows(self.folder / RETRAINS, RETRAIN_COLUMNS)


@pytest.fixture
def deployment(project):
    """A deployment `retrain/retrain` that no worker serves."""

    @flow(name="retrain")
    def retrain(recipe: str = "demo"):
        pass

    found = project.ask("/flows/", {"name": "retrain"})
    schema = {"type": "object", "properties": {"recipe": {"type": "string"}}}
    return project.ask(
        "/deployments/", {"name": "retrain", "flow_id": found["id"], "parameter_openapi_schema": schema}
    )["id"]


def said_by(capsys, *arguments):
    flow_of.main(["--recipe", "demo", *arguments])
    return capsys.readouterr().out


def test_without_a_log_there_are_no_data_and_that_is_no_fault(project, capsys):
    out = said_by(capsys)
    assert "No data." in out
    assert "No films since" in out
    assert "There is no prediction log in" in out
    assert (project.folder / "report.html").read_text().startswith("<!doctype html>")


def test_too_few_films_are_told_with_numbers(project, capsys):
    films = project.log(0, patients=20)
    now = datetime.now(UTC)
    asked = int((films["time"] <= now).sum())
    out = said_by(capsys)
    assert f"{asked or 'No'} film" in out
    assert "50 are needed" in out
    assert "Too little data." in out or not asked


def test_the_same_hospital_is_quiet(project, deployment, capsys):
    for week in (3, 2, 1):
        project.log(week)
    out = said_by(capsys)
    assert "No drift." in out
    assert project.runs() == []
    rows = read_rows(project.folder / WINDOWS, WINDOW_COLUMNS)
    assert rows["verdict"].tolist()[:3] == ["quiet"] * 3


def test_an_inverted_feed_is_noticed_told_and_retrained_for_once(project, deployment, capsys):
    project.log(2)
    project.log(1, darker=-60)
    out = said_by(capsys)
    assert "demo " in out
    assert "Drift." in out
    assert "Mean grey level went from" in out
    assert "of retrain/retrain was created" in out
    (run,) = project.runs()
    assert (run["parameters"], run["deployment_id"]) == ({"recipe": "demo"}, deployment)
    assert project.retrains()["run"].tolist() == [run["id"]]
    (event,) = project.events(at_least=1)
    assert event["resource"]["prefect.resource.id"] == "filmgate.recipe.demo"
    assert event["payload"]["model"] == project.model[:12]
    artifact = project.ask("/artifacts/latest/filter", {"artifacts": {"key": {"any_": ["demo-monitoring"]}}})[0]
    assert artifact["data"].startswith("# Drift.")

    again = said_by(capsys)
    assert "this drift has triggered one already" in again
    assert len(project.runs()) == 1
    assert len(project.events(at_least=1)) == 1


def test_a_drift_that_goes_on_triggers_no_second_run(project, deployment, capsys):
    for week in (3, 2, 1):
        project.log(week, darker=-60)
    said_by(capsys)
    (row,) = project.retrains().to_dict("records")
    assert row["episode"] == str((project.week - 3 * WEEK).date())
    rows = project.retrains().assign(time=pd.Timestamp(project.started - 3 * WEEK))
    write_rows(rows, project.folder / RETRAINS)  # long enough ago for the limit of the week
    assert "this drift has triggered one already" in said_by(capsys)
    assert len(project.runs()) == 1


def test_the_limit_of_a_week_holds(project, deployment, capsys):
    project.log(1, darker=-60)
    row = {"time": project.started - timedelta(days=2), "model": "b" * 64, "episode": "2026-01-05", "run": "r"}
    write_rows(pd.DataFrame([row]), project.folder / RETRAINS)
    out = said_by(capsys)
    assert "there were 1 in the last seven days" in out
    assert project.runs() == []


def test_a_killed_run_that_is_repeated_creates_no_second_retraining(project, deployment, capsys):
    project.log(1, darker=-60)
    said_by(capsys)
    (project.folder / RETRAINS).unlink()  # as if the process had ended before it could write
    said_by(capsys)
    assert len(project.runs()) == 1


def test_without_a_deployment_a_sentence_says_so(project, capsys):
    for found in project.ask("/deployments/filter", {}):
        project.delete(f"/deployments/{found['id']}")
    project.log(1, darker=-60)
    out = said_by(capsys)
    assert "There is no deployment retrain/retrain" in out
    assert project.retrains().empty


def test_late_labels_are_held_against_the_release(project, capsys):
    films = project.log(1)
    wrong = np.where(films["label"] == "NORMAL", "PNEUMONIA", "NORMAL")
    labels = pd.DataFrame({"hash": films["sha256"], "truth": wrong})
    labels.loc[0, "hash"] = "nowhere"
    labels.to_csv(project.root / "late.csv", index=False)
    out = said_by(capsys, "--truth", str(project.root / "late.csv"))
    assert "The figures of the release no longer hold." in out
    assert "Sensitivity is 0.000" in out
    assert f"{len(films) - 1} of {len(films)} films have a label so far." in out
    assert "1 label of films that this model did not answer in the log, e.g. nowhere." in out


def test_labels_that_lie_at_their_place_are_found_by_themselves(project, capsys):
    films = project.log(1)
    project.folder.mkdir(parents=True)
    pd.DataFrame({"sha256": films["sha256"], "label": films["truth"]}).to_csv(project.folder / "labels.csv")
    assert f"{len(films)} of {len(films)} films have a label so far." in said_by(capsys)


def test_damaged_lines_are_told_and_stop_nothing(project, capsys):
    project.log(1)
    with (project.root / ".filmgate/predictions/demo/predictions.jsonl").open("a") as file:
        file.write('{"time": "2026\n{"time"')
    out = said_by(capsys)
    assert "No drift." in out
    assert "Left out: 1 line of" in out


def test_a_release_of_before_ends_in_one_sentence(project):
    (project.root / "data/demo/release" / FILE).unlink()
    with pytest.raises(SystemExit) as caught:
        flow_of.main(["--recipe", "demo"])
    said = str(caught.value.code)  # a sentence as exit code is printed, and the status is 1
    assert said.startswith("error: There is no ")
    assert "older than monitoring" in said
    assert len(said.splitlines()) == 1


def test_the_release_that_was_named_comes_before_the_newest(tmp_path):
    assert flow_of.release_of_production(tmp_path, "demo") == tmp_path / "data/demo/release"
    (tmp_path / "data/production/demo").mkdir(parents=True)
    assert flow_of.release_of_production(tmp_path, "demo") == tmp_path / "data/production/demo"


@pytest.fixture
def service():
    """Whatever `service.answers` says, path by path, served on a free port."""
    answers = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = answers.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.answers, found.url = answers, f"http://127.0.0.1:{found.server_port}"
        threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        found.shutdown()


def test_the_health_of_the_service_is_told(project, service, capsys):
    metrics = Metrics()
    metrics.request("/predict", 500, 0.1)
    service.answers |= {"/readyz": b"", "/metrics": metrics.text()}
    out = said_by(capsys, "--service", service.url)
    assert "The service failed on 1 of 1 requests (5xx)." in out
    assert service.url in (project.folder / "report.html").read_text()


def test_a_service_that_is_gone_is_told_and_stops_nothing(project, service, capsys):
    assert f"{service.url}/metrics answers 404" in said_by(capsys, "--service", service.url)
    assert "does not answer" in said_by(capsys, "--service", "http://127.0.0.1:9")
