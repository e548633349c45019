import os

import pytest

from flows.doctor import gpu
from flows.doctor.finding import DoubtError, TroubleError


@pytest.fixture
def nvidia(tmp_path, monkeypatch):
    """A machine whose driver says what a test wants."""

    def say(text, status=0):
        command = tmp_path / "nvidia-smi"
        command.write_text(f"#!/bin/sh\necho '{text}'\nexit {status}\n")
        command.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return say


def test_a_gpu_that_the_build_of_tensorflow_cannot_use_is_said(nvidia):
    nvidia("GPU 0: NVIDIA Something (UUID: GPU-1)")
    if not gpu._installed("tensorflow-cpu"):
        pytest.skip("the build for GPUs is installed here")
    with pytest.raises(DoubtError, match="GPU 0: NVIDIA Something is here, and tensorflow-cpu .* make gpu"):
        gpu.gpu()


def test_a_driver_that_fails_is_said(nvidia):
    nvidia("Failed to initialize NVML: Driver/library version mismatch", 18)
    with pytest.raises(TroubleError, match="nvidia-smi ended with 18"):
        gpu.gpu()


def test_a_service_that_shall_use_cuda_needs_the_build_that_has_it(monkeypatch):
    monkeypatch.delenv("FILMGATE_DEVICE", raising=False)
    assert gpu.serving_device().startswith("cpu, of ")
    monkeypatch.setenv("FILMGATE_DEVICE", "cuda")
    if "CUDA" in gpu._ask(gpu.ASK_ONNX):
        pytest.skip("the build for GPUs is installed here")
    with pytest.raises(TroubleError, match="FILMGATE_DEVICE is cuda, and ONNX Runtime has"):
        gpu.serving_device()
