import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import torch

from pipelines.pytorch.loader import loader
from pipelines.training.batches import Batches
from tests.pipelines.pytorch.patches import draw, numbers


@pytest.fixture
def batches():
    return Batches(draw(20), 2, numbers(batch=8, balance="weights"))


def test_the_loader_gives_the_batches_of_the_input_path_as_tensors(batches):
    given = list(loader(batches, 3, 0, pinned=False))
    assert [part.dtype for part in given[0]] == [torch.uint8, torch.int64, torch.float32]
    for step, parts in enumerate(given):
        assert all(np.array_equal(a.numpy(), b) for a, b in zip(parts, batches.batch(3, step), strict=True))
    assert [len(parts[0]) for parts in given] == [8, 8, 4]


def test_the_loader_begins_in_the_middle_of_an_epoch(batches):
    (whole, rest) = (list(loader(batches, 1, start, pinned=False)) for start in (0, 2))
    assert len(rest) == 1
    assert all(torch.equal(a, b) for a, b in zip(whole[2], rest[0], strict=True))


def test_tensors_share_the_memory_of_the_arrays(batches, monkeypatch):
    arrays = batches.batch(0, 0)
    monkeypatch.setattr(batches, "batch", lambda epoch, step: arrays)
    tensors = next(iter(loader(batches, 0, 0, pinned=False)))
    assert [tensor.numpy().ctypes.data for tensor in tensors] == [array.ctypes.data for array in arrays]


def test_images_on_disk_come_without_a_warning_of_pytorch(tmp_path, batches):
    data = draw(20)
    np.save(tmp_path / "images.npy", data.images)
    stored = type(data)(np.load(tmp_path / "images.npy", mmap_mode="r"), data.targets)
    images, *_ = next(iter(loader(Batches(stored, 2, numbers(batch=8)), 0, 0, pinned=False)))
    assert np.array_equal(images.numpy(), Batches(data, 2, numbers(batch=8)).batch(0, 0)[0])


def test_an_epoch_takes_nothing_from_the_stream_that_dropout_reads(batches):
    before = torch.get_rng_state()
    list(loader(batches, 0, 0, pinned=False))
    assert torch.equal(torch.get_rng_state(), before)
