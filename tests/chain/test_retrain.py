"""The whole chain, for real: DVC, a Prefect server, training, a bento; on a few dozen phantom films."""

import json
import subprocess
import urllib.request

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.images import prepare
from pipelines.inference import Classifier

STAGES = ["draw", *(f"{s}@demo" for s in ("ingest", "validate", "preprocess", "train", "evaluate", "package"))]


def ask(server, path, body):
    request = urllib.request.Request(f"{server}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def newest_run(server):
    return ask(server, "/flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})[0]


def test_the_first_run_goes_through_every_stage_to_a_release(released):
    assert list(released.data.glob("release/*.bento"))
    for file in (
        "manifest.parquet",
        "checks/index.html",
        "prepared/augmentation.png",
        "model/model.keras",
        "model/card.json",
        "model/history.csv",
        "evaluation/report.html",
        "release/MODEL_CARD.md",
    ):
        assert (released.data / file).stat().st_size > 0, file


def test_a_second_run_finds_everything_done_and_says_so(released):
    status, output = released.retrain()
    assert status == 0, output
    assert released.said() == dict.fromkeys(STAGES, "cached")
    for word in ("report.html", ".bento", "make serve"):
        assert word in output
    run = newest_run(released.server)
    assert run["state_name"] == "Completed"
    tasks = ask(released.server, "/task_runs/filter", {"task_runs": {"flow_run_id": {"any_": [run["id"]]}}})
    assert {task["name"]: task["state_name"] for task in tasks} == dict.fromkeys(STAGES, "Cached")


def test_figures_gates_and_pictures_stand_in_the_prefect_ui(released):
    artifacts = ask(released.server, "/artifacts/latest/filter", {})
    found = {artifact["key"]: artifact for artifact in artifacts}
    assert {"demo-figures", "demo-gates", "demo-roc", "demo-gallery"} <= set(found)
    gates = json.loads((released.data / "evaluation" / "gates.json").read_text())["gates"]
    assert json.loads(found["demo-gates"]["data"]) == gates
    assert "| test |" in found["demo-figures"]["data"]


def test_every_probability_can_be_had_again_from_the_film_itself(released):
    saved = pd.read_parquet(released.data / "evaluation" / "probabilities.parquet")
    classifier = Classifier(released.data / "model")
    for row in saved.sample(12, random_state=0).itertuples():
        with Image.open(released.root / "data" / "raw" / "phantom" / row.path) as film:
            answer = classifier.answer(prepare(film, classifier.card.image)[np.newaxis])
        assert answer.probability[0, 1] == pytest.approx(row.probability, abs=1e-5)


def test_more_epochs_train_again_and_nothing_before(released):
    released.set(f"train.epochs={released.value('train', 'epochs') + 1}")
    status, output = released.retrain()
    assert status == 0, output
    again = [stage for stage, said in released.said().items() if said == "done"]
    assert again == ["train@demo", "evaluate@demo", "package@demo"]


def test_rewording_a_message_runs_nothing_again(released):
    errors = released.root / "pipelines" / "errors.py"
    errors.write_text(errors.read_text().replace("What can go wrong", "All that can go wrong"))
    status, output = released.retrain()
    assert status == 0, output
    assert set(released.said().values()) == {"cached"}


def test_a_gate_out_of_reach_stops_the_release_in_its_own_words(released):
    before = {path.name: path.stat().st_mtime_ns for path in (released.data / "release").iterdir()}
    minimum = released.value("gates", 0)["minimum"]
    released.set("gates.0.minimum=1.0")
    status, output = released.retrain()
    released.set(f"gates.0.minimum={minimum}")
    assert status == 1
    last = output.strip().splitlines()[-1]
    assert last.startswith("error: ")
    for words in ("lower bound of sensitivity on test is", "the minimum is 1."):
        assert words in last
    assert "Traceback" not in output
    assert {path.name for path in (released.data / "release").iterdir()} == set(before)
    run = newest_run(released.server)
    assert run["state_type"] == "FAILED"
    assert "sensitivity" in run["state"]["message"]


def test_an_override_leaves_recipe_results_and_release_alone(released):
    recipe, release = released.recipe.read_bytes(), sorted((released.data / "release").iterdir())
    epochs = released.value("train", "epochs") + 1
    status, output = released.retrain("--set", f"train.epochs={epochs}")
    assert status == 0, output
    assert released.said()["preprocess@demo"] == "done"  # from the cache, into the workspace
    assert released.recipe.read_bytes() == recipe
    assert sorted((released.data / "release").iterdir()) == release
    (history,) = released.root.glob(".filmgate/runs/demo-*/data/demo/model/history.csv")
    assert len(pd.read_csv(history)) == epochs


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "train.epohcs=2"], "Did you mean epochs"),
        (["--set", "train.epochs=many"], "Received: 'many'"),
        (["--recipe", "dmeo"], "Known recipes: chest-xray, cifar10, demo"),
        (["--recipe", "chest-xray"], "There is no data/raw/chest-xray, which ingest@chest-xray needs"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_status_1(released, arguments, sentence):
    status, output = released.retrain(*arguments)
    assert status == 1
    assert output.strip().splitlines()[-1].startswith("error: ")
    assert sentence in output
    assert "Traceback" not in output


def test_the_working_copy_stays_clean_but_for_the_lock(released):
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=released.root, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert {line[3:] for line in changed if line} <= {"dvc.lock", "output", "recipes/demo.yaml", "pipelines/errors.py"}
