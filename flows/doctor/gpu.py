"""The GPU: whether the builds of TensorFlow and ONNX Runtime fit what the machine has.

TensorFlow is asked in a process of its own, and only where there is a GPU and a build that could use it.
"""

import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from flows.doctor.finding import DoubtError, TroubleError

SECONDS = 120  # for TensorFlow to find the GPUs
ASK = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"
ASK_ONNX = "import onnxruntime; print(*onnxruntime.get_available_providers())"


def gpu() -> str:
    """Whether training uses the GPUs of this machine."""
    cards, build = _cards(), _tensorflow()
    if not cards:
        return f"no NVIDIA GPU here, {build}"
    if not build.startswith("tensorflow ") or not _installed("nvidia-cudnn-cu12"):
        do = "Take the build for GPUs: make gpu."
        raise DoubtError(f"{cards[0]} is here, and {build} cannot use it", "TensorFlow with CUDA", do)
    if (seen := _ask(ASK)) in ("", "0"):
        do = "Look at the driver (nvidia-smi) and at TensorFlow's own message: python -c " + f'"{ASK}".'
        raise TroubleError(f"{build} sees none of {len(cards)} GPUs", "all of them", do)
    return f"{build} sees {seen} of {len(cards)}: {cards[0]}"


def serving_device() -> str:
    """Whether ONNX Runtime has what FILMGATE_DEVICE asks of the service."""
    device = os.environ.get("FILMGATE_DEVICE") or "cpu"
    providers = _ask(ASK_ONNX).split()
    if not providers:
        do = "Install what is pinned: rm -f .venv/.ready && make check."
        raise TroubleError("ONNX Runtime cannot be imported", "a list of its providers", do)
    if device == "cuda" and "CUDAExecutionProvider" not in providers:
        do = "Take ONNX Runtime's build for GPUs (docs/serving.md), or unset FILMGATE_DEVICE."
        raise TroubleError(f"FILMGATE_DEVICE is cuda, and ONNX Runtime has {', '.join(providers)}", "CUDA", do)
    return f"{device}, of {', '.join(name.removesuffix('ExecutionProvider') for name in providers)}"


def _cards() -> list[str]:
    """The GPUs that NVIDIA's driver names."""
    if not shutil.which("nvidia-smi"):
        return []
    said = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    if said.returncode:
        first = (said.stdout + said.stderr).strip().splitlines()[:1]
        do = "Mend the driver, or remove it where there is no GPU."
        raise TroubleError(f"nvidia-smi ended with {said.returncode} ({' '.join(first)})", "a list of GPUs", do)
    return [line.split(" (UUID")[0] for line in said.stdout.splitlines() if line.startswith("GPU")]


def _tensorflow() -> str:
    for name in ("tensorflow", "tensorflow-cpu"):
        if found := _installed(name):
            return f"{name} {found}"
    do = "Install what is pinned: rm -f .venv/.ready && make check."
    raise TroubleError("TensorFlow is not installed", "tensorflow-cpu, or tensorflow with CUDA", do)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _ask(program: str) -> str:
    """The last line that a fresh interpreter prints; empty where it fails."""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=SECONDS)
    return said.stdout.strip().splitlines()[-1] if not said.returncode and said.stdout.strip() else ""
