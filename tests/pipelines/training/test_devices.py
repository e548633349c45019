import json

import keras
import pytest

from pipelines.errors import ModelError
from pipelines.training.devices import is_chief, out_of_memory_named, strategy_of
from pipelines.training.memory import memory_sentence


def test_one_device_needs_no_strategy():
    assert strategy_of("one") is None


def test_workers_need_their_addresses(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ModelError, match="TF_CONFIG is not set"):
        strategy_of("workers")


def test_several_devices_need_tensorflow(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ModelError, match="Keras runs on jax"):
        strategy_of("all")


@pytest.mark.parametrize(
    ("task", "writes"),
    [
        ({"type": "worker", "index": 0}, True),
        ({"type": "worker", "index": 1}, False),
        ({"type": "chief", "index": 0}, True),
        ({"type": "ps", "index": 0}, False),
    ],
)
def test_the_first_worker_writes(monkeypatch, task, writes):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": task}))
    assert is_chief() is writes


def test_a_lone_process_writes(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert is_chief()


@pytest.mark.slow
def test_memory_that_a_real_device_does_not_have_is_named():
    import tensorflow

    with pytest.raises(ModelError, match=r"64 images a step\. Try train\.batch: 32"), out_of_memory_named(64):
        tensorflow.random.normal((1 << 30, 1 << 17))  # half a pebibyte


def test_other_errors_stay_what_they_are():
    with pytest.raises(ZeroDivisionError), out_of_memory_named(64):
        _ = 1 / 0


def test_one_image_a_step_cannot_be_halved():
    assert "smaller model" in memory_sentence(1)
    assert "train.batch" not in memory_sentence(1)
