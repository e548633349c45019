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


@pytest.fixture
def installed(monkeypatch):
    """A machine that has these distributions, by version, and no others."""

    def have(**versions):
        known = {name.replace("_", "-"): version for name, version in versions.items()}
        monkeypatch.setattr(gpu, "_installed", known.get)

    return have


def test_a_gpu_that_the_build_of_tensorflow_cannot_use_is_said(nvidia, installed):
    nvidia("GPU 0: NVIDIA Something (UUID: GPU-1)")
    installed(tensorflow_cpu="2.21.0")
    with pytest.raises(DoubtError, match="GPU 0: NVIDIA Something is here, and tensorflow-cpu .* make gpu"):
        gpu.gpu()


def test_a_build_for_gpus_is_asked_how_many_it_sees(nvidia, installed, monkeypatch):
    nvidia("GPU 0: NVIDIA Something (UUID: GPU-1)")
    installed(tensorflow="2.21.0", nvidia_cudnn_cu12="9.0")
    monkeypatch.setattr(gpu, "ASK", "print(1)")
    assert gpu.gpu() == "tensorflow 2.21.0 sees 1 of 1: GPU 0: NVIDIA Something"
    monkeypatch.setattr(gpu, "ASK", "print(0)")
    with pytest.raises(TroubleError, match="tensorflow 2.21.0 sees none of 1 GPUs"):
        gpu.gpu()


def test_a_driver_that_fails_is_said(nvidia):
    nvidia("Failed to initialize NVML: Driver/library version mismatch", 18)
    with pytest.raises(TroubleError, match="nvidia-smi ended with 18"):
        gpu.gpu()


def test_a_service_that_shall_use_cuda_needs_the_build_that_has_it(monkeypatch):
    monkeypatch.delenv("FILMGATE_DEVICE", raising=False)
    assert gpu.serving_device().startswith("cpu, of ")
    monkeypatch.setenv("FILMGATE_DEVICE", "cuda")
    monkeypatch.setattr(gpu, "ASK_ONNX", "print('CPUExecutionProvider')")
    with pytest.raises(TroubleError, match="FILMGATE_DEVICE is cuda, and ONNX Runtime has CPUExecutionProvider"):
        gpu.serving_device()
    monkeypatch.setattr(gpu, "ASK_ONNX", "print('CUDAExecutionProvider CPUExecutionProvider')")
    assert gpu.serving_device() == "cuda, of CUDA, CPU"
