import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import torch

from pipelines.errors import ModelError
from pipelines.pytorch.memory import out_of_memory_named

BEYOND_ANY_ADDRESS = 2**56


def test_a_processor_without_memory_is_told_with_the_batch_to_try():
    with (
        pytest.raises(ModelError, match=r"out of memory with 64 images a step\. Try train\.batch: 32"),
        out_of_memory_named(64),
    ):
        torch.empty(BEYOND_ANY_ADDRESS, dtype=torch.uint8)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError("Unable to allocate")])
def test_a_gpu_and_the_input_path_without_memory_are_told_too(error):
    with pytest.raises(ModelError, match=r"Try train\.batch: 32"), out_of_memory_named(64):
        raise error


def test_with_one_image_a_step_no_smaller_batch_is_offered():
    with pytest.raises(ModelError, match=r"with one image a step\. Choose a smaller model"), out_of_memory_named(1):
        raise MemoryError


def test_another_fault_stays_itself():
    with pytest.raises(RuntimeError, match="shapes"), out_of_memory_named(64):
        raise RuntimeError("shapes do not fit")
