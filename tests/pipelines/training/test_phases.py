import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from pipelines.recipe import HeadParams, TrainParams
from pipelines.training.checkpoint import Checkpoints
from pipelines.training.course import best_of
from pipelines.training.frozen import FrozenFeatures
from pipelines.training.phases import _loss
from tests.conftest import TRAINING
from tests.pipelines.patches import NORMALISED, PLAIN, SAVED, draw, learner

ROOT = Path(__file__).resolve().parents[3]
HEAD = {"epochs": 2, "learning_rate": 0.01, "views": 2}


def fitted(train, folder, every=3600.0, key="key"):
    one = learner(train)
    return one, one.fit(draw(48), draw(24, seed=1), Checkpoints(folder, key, every))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A whole run: its folder, its model, its history."""
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, *fitted(TrainParams(**TRAINING), folder)


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one.network.get_weights(), two.network.get_weights(), strict=True))


def test_two_runs_with_one_seed_end_in_the_same_weights_bit_for_bit(training, tmp_path, unbroken):
    _, one, first = unbroken
    two, second = fitted(training(), tmp_path)
    assert same(one, two)
    assert first == second
    assert not same(one, fitted(training(seed=2, epochs=1), tmp_path / "other")[0])


def test_the_model_keeps_the_weights_of_its_best_epoch(unbroken):
    _, one, history = unbroken
    best = best_of(history, "auc")
    assert best is not history[-1]
    check = draw(24, seed=1)
    probability = one.probability(check.images)[:, 0].astype(float)
    loss = -np.mean(np.log(np.where(check.targets == 1, probability, 1 - probability)))
    assert loss == pytest.approx(best["val_loss"], rel=1e-5)
    assert best["val_auc"] > 0.9


def test_a_finished_run_is_not_repeated_unless_its_key_is_another(training, unbroken, monkeypatch):
    folder, one, history = unbroken
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("trains"))
    two, again = fitted(training(), folder)
    assert same(one, two)
    assert again == history
    with pytest.raises(pytest.fail.Exception, match="trains"):
        fitted(training(), folder, key="other")


def test_the_first_phase_moves_the_head_alone_and_computes_each_view_once(training, tmp_path, monkeypatch):
    frozen = []
    compute = FrozenFeatures._compute
    monkeypatch.setattr(FrozenFeatures, "_compute", lambda *told: frozen.append(told[-1]) or compute(*told))
    train = training(head=HeadParams(epochs=4, learning_rate=0.01, views=2), epochs=1)
    one = learner(train)
    before = {weight.path: np.array(weight) for weight in one.network.weights}
    monkeypatch.setattr("pipelines.training.phases.Whole.__call__", lambda self: pytest.fail("second phase"))
    with pytest.raises(pytest.fail.Exception, match="second phase"):
        one.fit(draw(48), draw(24, seed=1), Checkpoints(tmp_path, "key", 3600))
    assert sorted(frozen, key=str) == [0, 1, None]
    moved = {path for path, value in before.items() if not np.array_equal(value, _now(one, path))}
    assert moved
    assert all("dense" in path or "logit" in path for path in moved)
    assert not list(tmp_path.glob("features-*"))


def test_in_the_second_phase_batch_normalisation_stays_as_it_came(training, tmp_path):
    train = training(head=HeadParams(**HEAD), epochs=2)
    one = learner(train)
    before = {weight.path: np.array(weight) for weight in one.network.weights}
    history = one.fit(draw(48), draw(24, seed=1), Checkpoints(tmp_path, "key", 3600))
    assert [row["phase"] for row in history] == ["head", "head", "whole", "whole"]
    moved = {path for path, value in before.items() if not np.array_equal(value, _now(one, path))}
    assert any("conv" in path for path in moved)
    assert not any("batch_normalization" in path for path in moved)


def _now(one, path):
    return next(np.array(weight) for weight in one.network.weights if weight.path == path)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains_a_float32_model(training, tmp_path, precision):
    one, history = fitted(training(precision=precision, epochs=2), tmp_path)
    assert {weight.dtype for weight in one.network.weights} == {"float32"}
    assert {layer.compute_dtype for layer in one.network.layers} == {"float32"}
    assert history[-1]["loss"] < history[0]["loss"]


def test_a_longer_gradient_is_clipped(training, tmp_path):
    bound, _ = fitted(training(epochs=1, schedule="constant", clip_norm=1e-9, weight_decay=0.0), tmp_path)
    start = learner(training())
    pairs = zip(bound.network.trainable_weights, start.network.trainable_weights, strict=True)
    assert max(np.abs(np.array(a) - np.array(b)).max() for a, b in pairs) < 0.01  # Adam alone moves by the rate a step


def test_label_smoothing_spreads_a_share_of_the_target():
    probability = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], dtype=np.float32)
    found = keras.ops.convert_to_numpy(_loss(3, 0.3)(np.array([0, 2]), probability))
    spread = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    assert np.allclose(found, -(spread * np.log(probability)).sum(axis=1), atol=1e-5)


def run(folder, weights, kind="augmented", environment=None, **numbers):
    command = [sys.executable, "-m", "tests.pipelines.patches", str(folder), str(weights), kind, json.dumps(numbers)]
    told = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(environment or {})}
    return subprocess.Popen(command, cwd=ROOT, env=told, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def to_the_end(process):
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(told.splitlines()[-1])


def killed(process, after):
    """Kill the process when it has written some checkpoints; whether it was still running."""
    for line in process.stdout:
        after -= line.startswith(SAVED)
        if not after:
            time.sleep(random.random() * 0.02)
            process.kill()
            break
    process.wait(timeout=120)
    process.stdout.close()
    return process.returncode != 0


@pytest.mark.slow
def test_a_run_killed_at_ten_random_steps_equals_an_unbroken_one(tmp_path):
    numbers = {"epochs": 4, "head": HEAD, "schedule": "plateau"}
    to_the_end(run(tmp_path / "whole", tmp_path / "whole.npz", **numbers))
    steps = random.Random(4)
    broken = [killed(run(tmp_path / "run", "none", **numbers), steps.randint(1, 4)) for _ in range(10)]
    to_the_end(run(tmp_path / "run", tmp_path / "run.npz", **numbers))
    assert sum(broken) >= 8
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "run.npz") as again:
        assert all(np.array_equal(whole[name], again[name]) for name in whole.files)


def test_a_run_broken_off_in_an_epoch_goes_on_there(training, tmp_path, unbroken, monkeypatch):
    _, whole, history = unbroken
    saves, save = [], Checkpoints.save

    def broken(self, arrays, told):
        save(self, arrays, told)
        saves.append(told["step"])
        if len(saves) == 10:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "save", broken)
    with pytest.raises(KeyboardInterrupt):
        fitted(training(), tmp_path / "run", every=0)
    monkeypatch.setattr(Checkpoints, "save", save)
    assert saves[-1] > 0
    again, rest = fitted(training(), tmp_path / "run", every=0)
    assert same(whole, again)
    assert rest == history


def test_a_device_without_memory_is_told_with_the_batch_to_try(training, tmp_path, monkeypatch):
    from tensorflow.errors import ResourceExhaustedError

    from pipelines.errors import ModelError

    def exhausted(*arguments, **options):
        raise ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[8,16,16,4]")

    monkeypatch.setattr(keras.Model, "fit", exhausted)
    with pytest.raises(ModelError, match=r"out of memory with 8 images a step\. Try train\.batch: 4"):
        fitted(training(), tmp_path)


@pytest.mark.slow
def test_two_devices_and_two_machines_reach_the_loss_of_one(tmp_path):
    numbers = {"epochs": 2, "batch": 10, "balance": "none"}
    one = to_the_end(run(tmp_path / "one", "none", "plain", **numbers))
    spread = {"one": one, "two devices": _on_two_devices(tmp_path, numbers)}
    first, second = _on_two_machines(tmp_path, numbers)
    spread |= {"first machine": first, "second machine": second}
    for name, row in spread.items():
        assert row["loss"] == pytest.approx(one["loss"], rel=1e-4), name
        assert row["val_loss"] == pytest.approx(one["val_loss"], rel=1e-4), name


def _on_two_devices(folder, numbers):
    """Training on two virtual devices of the processor."""
    before = (
        "import tensorflow as t; t.config.set_logical_device_configuration(t.config.list_physical_devices('CPU')[0], "
    )
    before += "[t.config.LogicalDeviceConfiguration()] * 2); "
    before += "a = t.distribute.MirroredStrategy; t.distribute.MirroredStrategy = lambda: a(['CPU:0', 'CPU:1']); "
    told = [str(folder / "two"), "none", "plain", json.dumps({**numbers, "devices": "all"})]
    script = f"{before}from tests.pipelines.patches import main; main(*{told!r})"
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return to_the_end(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True))


def _on_two_machines(folder, numbers):
    """Training by two processes that speak over loopback."""
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    processes = []
    for number in range(2):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
        environment = {"TF_CONFIG": json.dumps(config)}
        processes.append(run(folder / "workers", "none", "plain", environment, **numbers, devices="workers"))
    try:
        return [to_the_end(process) for process in processes]
    finally:
        for process in processes:
            process.kill()


def _free_ports(count):
    import socket

    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def test_the_models_of_the_task_are_those_that_the_tests_mean():
    assert NORMALISED.dropout > 0
    assert PLAIN.dropout == 0
