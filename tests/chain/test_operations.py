"""A house that runs by itself: schedules, a run from the form of the Prefect UI, approval, runs beside each other."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import dvc.api
import httpx
import pandas as pd
import pytest
from playwright.sync_api import expect, sync_playwright
from ruamel.yaml import YAML

from pipelines.recipe_file import override, write_yaml
from tests.browser import chromium

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def house(new_house):
    """A house whose demo is in production as v1.0.0, with a second recipe of the same films."""
    house = new_house(prepare=second_recipe)
    run = house.wait(house.trigger("retrain/retrain", propose=False))
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    status, output = house.command("flows.deploy", "promote", "--recipe", "demo", "--comment", "the first")
    assert status == 0, output
    return house


def second_recipe(root):
    """`twin`, the demo with another seed, on films that `dvc add` keeps."""
    write_yaml(override(root / "recipes" / "demo.yaml", ["train.seed=2"]), root / "recipes" / "twin.yaml")
    params = root / "params.yaml"
    params.write_text(params.read_text() + "  twin: films\n")
    draw = ["pipelines.sources.phantom.draw", "--recipe", "recipes/demo.yaml", "--raw", "data/raw/films"]
    for command in (draw, ["dvc", "add", "--quiet", "data/raw/films"]):
        subprocess.run([sys.executable, "-m", *command], cwd=root, check=True)


@pytest.fixture(scope="module")
def page():
    with sync_playwright() as player:
        browser = chromium(player)
        yield browser.new_page(viewport={"width": 1300, "height": 1400})
        browser.close()


def events(house, recipe="demo"):
    return house.command("flows.deploy", "history", "--recipe", recipe)[1].splitlines()


def production(house):
    return house.command("flows.deploy", "status", "--recipe", "demo")[1]


def address(house):
    return house.address.removesuffix("/api")


def test_a_schedule_starts_a_run_by_itself(house):
    watch = house.ask("/deployments/name/watch/watch", method="GET")
    schedule = {"schedule": {"cron": "* * * * *", "timezone": "UTC"}, "active": True, "slug": "every-minute"}
    house.ask(f"/deployments/{watch['id']}/schedules", [schedule])
    wanted = {"deployments": {"id": {"any_": [watch["id"]]}}, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    end = time.monotonic() + 240
    while not (runs := house.ask("/flow_runs/filter", wanted)):
        assert time.monotonic() < end, house.worker_log()[-2000:]
        time.sleep(1)
    assert runs[0]["auto_scheduled"]
    assert runs[0]["state"]["message"] == "nothing new"
    (made,) = (
        one for one in house.ask(f"/deployments/{watch['id']}/schedules", method="GET") if one["slug"] == "every-minute"
    )
    house.ask(f"/deployments/{watch['id']}/schedules/{made['id']}", method="DELETE")


def test_the_form_of_the_ui_starts_a_run_with_overrides_that_is_an_experiment_and_asks_for_approval(house, page):
    retrain = house.ask("/deployments/name/retrain/retrain", method="GET")
    trained, proposed = house.runs("retrain/retrain"), house.runs("deploy/deploy")
    page.goto(f"{address(house)}/deployments/deployment/{retrain['id']}/run")
    page.get_by_text("Numbers of the recipe to change for this run alone").wait_for()
    boxes = page.locator("textarea")
    before = boxes.count()
    page.get_by_role("button", name="Add item").click()
    expect(boxes).to_have_count(before + 1)
    boxes.nth(1).fill("train.epochs=3")
    page.get_by_role("button", name="Submit").click()
    run = next_run(house, "retrain/retrain", trained)
    assert run["parameters"]["overrides"] == ["train.epochs=3"]
    assert house.wait(run["id"])["state"]["message"] == "demo is released as v1.1.0"
    name = next(
        line for line in house.git("cat-file", "-p", "demo@v1.1.0").splitlines() if line.startswith("Experiment: ")
    )
    kept = {"repo": str(house.root), "rev": name.split(": ")[1]}
    assert YAML(typ="safe").load(dvc.api.read("recipes/demo.yaml", **kept))["train"]["epochs"] == 3
    assert json.loads(dvc.api.read("data/demo/model/validation.json", **kept))["auc"] >= 0
    assert house.git("status", "--porcelain") == ""

    waiting = house.wait(next_run(house, "deploy/deploy", proposed)["id"], "PAUSED")
    assert waiting["state_name"] == "Paused"
    answer_in_ui(house, page, waiting["id"], False, "not on a Friday")
    ended = house.wait(waiting["id"])
    assert ended["state"]["message"] == "demo v1.1.0 was rejected by Dr. Grey: not on a Friday"
    assert "v1.0.0 is in production" in production(house)
    assert "rejected" in events(house)[0]
    assert events(house)[0].endswith("not on a Friday")


def next_run(house, name, before):
    """The run of a deployment that was not there before."""
    known, end = {run["id"] for run in before}, time.monotonic() + 120
    while not (new := [run for run in house.runs(name) if run["id"] not in known]):
        assert time.monotonic() < end
        time.sleep(0.5)
    return new[0]


def answer_in_ui(house, page, run, approve, comment):
    """Fill in the form of a paused run, and see that the server takes what the page sends."""
    page.goto(f"{address(house)}/runs/flow-run/{run}")
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("On: bring the version into production.").wait_for()
    dialog = page.get_by_role("dialog")
    if approve:
        dialog.locator(".p-toggle__control, [role=switch]").first.click()
    boxes = dialog.locator("textarea")
    boxes.nth(0).fill("Dr. Grey")
    boxes.nth(1).fill(comment)
    with page.expect_response(lambda answer: answer.url.endswith(f"/flow_runs/{run}/resume")) as sent:
        dialog.get_by_role("button", name="Submit").click()
    assert sent.value.ok, (sent.value.status, sent.value.text(), sent.value.request.post_data)


def test_silence_is_a_no_and_a_yes_by_the_api_or_in_the_ui_brings_the_version_into_production(house, page):
    silent = house.wait(house.trigger("deploy/deploy", recipe="demo", version="v1.1.0", hours=0.002))
    assert silent["state_type"] == "COMPLETED"
    assert silent["state_name"] == "Rejected"
    assert silent["state"]["message"] == "demo v1.1.0 was rejected by nobody: no answer within 0.002 hours"
    assert "no answer within 0.002 hours" in events(house)[0]
    assert "v1.0.0 is in production" in production(house)

    run = house.trigger("deploy/deploy", recipe="demo", version="v1.1.0")
    house.wait(run, "PAUSED")
    answer = {"approve": True, "by": "Dr. Grey", "comment": "better on hilltop"}
    house.ask(f"/flow_runs/{run}/resume", {"run_input": answer})
    assert house.wait(run)["state"]["message"] == "demo v1.1.0 is in production, approved by Dr. Grey"
    assert "v1.1.0 is in production" in production(house)
    assert "better on hilltop" in events(house)[0]
    roll_back(house)

    run = house.trigger("deploy/deploy", recipe="demo", version="v1.1.0")
    house.wait(run, "PAUSED")
    answer_in_ui(house, page, run, True, "looked at again")
    assert house.wait(run)["state"]["message"] == "demo v1.1.0 is in production, approved by Dr. Grey"
    assert "v1.1.0 is in production" in production(house)
    assert "looked at again" in events(house)[0]
    roll_back(house)


def roll_back(house):
    status, output = house.command("flows.deploy", "rollback", "--recipe", "demo", "--comment", "false alarms")
    assert status == 0, output
    assert "v1.0.0 is in production" in production(house)


def test_four_runs_at_once_on_two_recipes_all_end_well_and_leave_the_working_copy_alone(house):
    edited = house.root / "pipelines" / "train.py"
    before = edited.read_text()
    edited.write_text(before + "\nraise RuntimeError('an edit that is in no commit')\n")
    wanted = [
        {"recipe": "demo", "overrides": ["train.epochs=1"]},
        {"recipe": "demo", "overrides": ["train.epochs=1"]},
        {"recipe": "twin"},
        {"recipe": "twin", "overrides": ["train.epochs=1"]},
    ]
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda one: house.trigger("retrain/retrain", propose=False, **one), wanted))
    runs = [house.wait(run, seconds=900) for run in started]
    assert [run["state_type"] for run in runs] == ["COMPLETED"] * 4, [run["state"]["message"] for run in runs]
    demo = sorted(run["state"]["message"] for run in runs[:2])
    assert demo == ["demo is as it was: v1.2.0", "demo is released as v1.2.0"]
    assert sorted(run["state"]["message"] for run in runs[2:]) == [
        "twin is released as v1.0.0",
        "twin is released as v1.1.0",
    ]
    assert house.git("status", "--porcelain") == "M pipelines/train.py"
    edited.write_text(before)


def test_films_that_went_are_noticed_waited_for_and_trained_without_once(house):
    look = {"recipes": ["twin"], "minutes": 0}
    assert house.wait(house.trigger("watch/watch", **look))["state"]["message"] == "nothing new"
    (house.root / "data" / "raw" / "films" / learnt_from(house, "twin")).unlink()
    before = house.runs("retrain/retrain")
    said = [house.wait(house.trigger("watch/watch", **look))["state"]["message"] for _ in range(3)]
    assert said == ["nothing new", "retraining twin", "nothing new"]
    run = next_run(house, "retrain/retrain", before)
    assert house.wait(run["id"])["state"]["message"] == "twin is released as v1.2.0"
    assert len(house.runs("retrain/retrain")) == len(before) + 1
    data = [told(house, version, "Data", "twin") for version in ("v1.0.0", "v1.2.0")]
    assert data[0] != data[1]
    assert house.git("status", "--porcelain") == ""


def learnt_from(house, recipe):
    """A film of its training, within the data set."""
    films = pd.read_parquet(house.root / ".filmgate" / "runs" / recipe / "data" / recipe / "manifest.parquet")
    return films[films["split"] == "train"]["path"].iloc[0]


def test_production_moves_under_a_client_that_asks_fifty_times_a_second_without_a_failed_request(house, served):
    film = (house.root / "serving" / "phantoms" / "normal.png").read_bytes()
    answers, stop = [], time.monotonic() + 600
    with ThreadPoolExecutor(1) as pool:
        moved = pool.submit(move, house)
        with httpx.Client(base_url=served, timeout=30) as client:
            while not moved.done() and time.monotonic() < stop:
                answer = client.post("/predict", files={"image": film})
                answers.append((answer.status_code, answer.json().get("model", {}).get("version")))
                time.sleep(0.02)
        assert moved.result() == [0, 0, 0]
    assert {status for status, _ in answers} == {200}
    seen = [version for number, (_, version) in enumerate(answers) if not number or answers[number - 1][1] != version]
    first, second, third = (told(house, name, "Model") for name in ("v1.0.0", "v1.1.0", "v1.2.0"))
    assert seen == [first, second, third, second]
    assert [line.split()[2:4] for line in events(house)[:3]] == [
        ["v1.1.0", "rolled"],
        ["v1.2.0", "promoted"],
        ["v1.1.0", "promoted"],
    ]


def told(house, version, key, recipe="demo"):
    """What the tag of a version says."""
    lines = house.git("cat-file", "-p", f"{recipe}@{version}").splitlines()
    return next(line.split(": ")[1] for line in lines if line.startswith(f"{key}: "))


def move(house):
    """Two promotions and the way back, each given time to be seen."""
    statuses = []
    for words in (["promote", "--version", "v1.1.0"], ["promote", "--version", "v1.2.0"], ["rollback"]):
        statuses.append(house.command("flows.deploy", words[0], "--recipe", "demo", *words[1:])[0])
        time.sleep(25)
    return statuses


@pytest.fixture
def served(house):
    """The address of a server that follows the house's production."""
    with house.serve("demo") as address:
        yield address
