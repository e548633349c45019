import multiprocessing
import random
import time

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import torch

from pipelines.errors import ModelError
from pipelines.pytorch.state import weights_of
from pipelines.pytorch.step import Step
from pipelines.training.batches import Batches
from pipelines.training.checkpoint import Checkpoints
from pipelines.training.course import Course, best_of, figures
from tests.pipelines.pytorch.patches import draw, fitted, learner, numbers, train_and_tell

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["pipelines.pytorch.learner", "dvclive", "torch._dynamo"]
)  # which the first step imports
STEPS = 15  # of a run of three epochs


def same(one, two):
    return all(np.array_equal(one[name], two[name]) for name in one)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that went through: its folder, its model, its history."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, *fitted(numbers(), folder)


def test_two_runs_with_one_seed_end_in_the_same_weights_bit_for_bit(tmp_path, whole):
    _, one, history = whole
    again, other = (fitted(numbers(seed=seed), tmp_path / str(seed)) for seed in (1, 2))
    assert same(weights_of(one.network), weights_of(again[0].network))
    assert history == again[1]
    assert not same(weights_of(one.network), weights_of(other[0].network))


def test_the_model_keeps_the_weights_of_its_best_epoch(tmp_path):
    one, history = fitted(numbers(epochs=6, learning_rate=0.1, schedule="constant"), tmp_path)
    best, check = best_of(history, "loss"), draw(24, seed=1)
    assert best is not history[-1]
    assert figures(check.targets, one.probability(check.images))["val_loss"] == pytest.approx(best["val_loss"])


def test_training_stops_when_patience_is_over(tmp_path, monkeypatch):
    losses = iter([0.5, 0.4, 0.6, 0.7, 0.1])
    monkeypatch.setattr(
        "pipelines.training.course.figures", lambda *told: {"val_loss": next(losses), "val_auc": 0, "val_accuracy": 0}
    )
    _, history = fitted(numbers(epochs=5, patience=2), tmp_path)
    assert [row["val_loss"] for row in history] == [0.5, 0.4, 0.6, 0.7]


def test_every_step_has_the_rate_of_the_schedule(tmp_path, monkeypatch):
    rates, take = [], Step.__call__
    monkeypatch.setattr(Step, "__call__", lambda self, *told: rates.append(told[-1]) or take(self, *told))
    train = numbers(warm_up=0.2)
    fitted(train, tmp_path)
    course = Course(train, draw(24).targets)
    assert rates == [course.rate(step, STEPS) for step in range(STEPS)]


def test_the_loss_of_an_epoch_is_the_mean_over_its_images(tmp_path, monkeypatch):
    monkeypatch.setattr(Step, "__call__", lambda self, images, *told: torch.tensor(0.25 * len(images)))
    _, history = fitted(numbers(epochs=1, batch=7), tmp_path)
    assert history[0]["loss"] == 0.25


def test_validation_sees_plain_images_and_no_dropout(tmp_path, monkeypatch):
    seen, judge = [], Course.judge
    monkeypatch.setattr(Course, "judge", lambda self, *told: seen.append(told[-1]) or judge(self, *told))
    one, _ = fitted(numbers(epochs=1), tmp_path)
    assert np.array_equal(seen[0], one.probability(draw(24, seed=1).images))


def test_a_finished_run_is_not_repeated(whole, monkeypatch):
    folder, one, history = whole
    monkeypatch.setattr(Batches, "batch", lambda *told: pytest.fail("trains"))
    again, rest = fitted(numbers(), folder)
    assert same(weights_of(one.network), weights_of(again.network))
    assert rest == history


def test_the_checkpoint_of_a_finished_run_holds_its_best_weights_alone(whole):
    folder, one, _ = whole
    kept = Checkpoints(folder, "key", 0).load()
    assert kept.told["done"]
    assert {name.removeprefix("best/") for name in kept.arrays} == set(one.network.state_dict())


def test_a_run_broken_off_in_an_epoch_goes_on_there(tmp_path, whole, monkeypatch):
    _, one, history = whole
    take, taken = Step.__call__, []

    def broken(self, *told):
        taken.append(told)
        if len(taken) == 9:
            raise KeyboardInterrupt
        return take(self, *told)

    monkeypatch.setattr(Step, "__call__", broken)
    with pytest.raises(KeyboardInterrupt):
        fitted(numbers(), tmp_path, every=0)
    again, rest = fitted(numbers(), tmp_path, every=0)
    assert len(taken) == STEPS + 1
    assert same(weights_of(one.network), weights_of(again.network))
    assert rest == history


def test_a_loss_that_is_no_number_ends_in_one_sentence(tmp_path):
    with pytest.raises(ModelError, match=r"loss of epoch 1 is (nan|inf), expected a finite number\. Try a smaller"):
        fitted(numbers(learning_rate=1e30, schedule="constant", warm_up=0), tmp_path)


def test_a_step_without_memory_is_told_with_the_batch_to_try(tmp_path, monkeypatch):
    monkeypatch.setattr(Step, "__call__", lambda self, *told: torch.empty(2**56, dtype=torch.uint8))
    with pytest.raises(ModelError, match=r"out of memory with 8 images a step\. Try train\.batch: 4"):
        fitted(numbers(), tmp_path)


def test_a_run_in_bfloat16_learns_and_leaves_a_float32_model(tmp_path):
    one, history = fitted(numbers(precision="bfloat16", epochs=8), tmp_path)
    assert history[-1]["val_loss"] < history[0]["val_loss"]
    assert {weight.dtype for weight in one.network.parameters()} == {torch.float32}


def test_oversampling_shows_the_rarer_class_as_often(tmp_path, monkeypatch):
    shown, take = [], Step.__call__
    monkeypatch.setattr(Step, "__call__", lambda self, *told: shown.append(told[1]) or take(self, *told))
    data, one = draw(40), learner(numbers(balance="oversample", epochs=1))
    rare = type(data)(np.concatenate([data.images[::2], data.images[1:9:2]]), np.repeat([0, 1], [20, 4]))
    one.fit(rare, draw(24, seed=1), Checkpoints(tmp_path, "key", 3600))
    assert torch.cat(shown).bincount().tolist() == [20, 20]


def train_in_another_process(folder, **changed):
    """A process that trains, and the end of a pipe that hears of it."""
    hears, tells = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=train_and_tell, args=(folder, tells, changed))
    process.start()
    tells.close()
    return process, hears


def killed(folder, after, pause, **changed):
    """Kill a run when it has written some checkpoints, and a little later; whether it was still running."""
    process, hears = train_in_another_process(folder, **changed)
    for _ in range(after):
        hears.recv()
    time.sleep(pause)
    process.kill()
    process.join()
    hears.close()
    return process.exitcode == -9


def to_the_end(folder, **changed):
    """Weights and history of a run."""
    process, hears = train_in_another_process(folder, **changed)
    while (said := hears.recv()) == "saved":
        pass
    process.join()
    hears.close()
    return said


def equal_though_killed(folder, kills, **changed):
    moments = random.Random(4)
    meant, history = to_the_end(folder / "whole", **changed)
    broken = [killed(folder / "run", moments.randint(1, 5), moments.random() * 0.01, **changed) for _ in range(kills)]
    found, rest = to_the_end(folder / "run", **changed)
    assert all(broken)
    assert same(meant, found)
    assert history == rest


def test_a_run_killed_twice_equals_an_unbroken_one(tmp_path):
    equal_though_killed(tmp_path, 2)


@pytest.mark.slow
def test_a_run_killed_at_ten_random_steps_equals_an_unbroken_one(tmp_path):
    equal_though_killed(tmp_path, 10, epochs=16, schedule="plateau", patience=16, precision="bfloat16")
