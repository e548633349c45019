"""Writing a trained PyTorch model as ONNX."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch

from pipelines.export.onnx_file import name_in_order
from pipelines.inference import OUTPUTS
from pipelines.pytorch.explain import Inference

OPSET = 18


def export(model: Inference, path: Path, shape: tuple[int, int, int]) -> None:
    """Write an inference module as ONNX; the same weights give the same bytes.

    Args:
        model: on the CPU.
        path: to be written.
        shape: height, width and channels of an image; the file takes any number of them.
    """
    example = torch.zeros((2, *shape), dtype=torch.uint8)  # the converter takes a dimension of one for a fixed one
    with _quiet():
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            input_names=["image"],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            opset_version=OPSET,
            verbose=False,
        )
    written = program.model_proto
    _forget_origin(written)
    onnx.save(written, path)
    name_in_order(path)


def _forget_origin(written: onnx.ModelProto) -> None:
    """Drop what the converter notes about source lines, which hold the paths of this machine."""
    graph = written.graph
    for part in (written, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the converter's remarks about its own use of PyTorch, and about torchvision, which is not needed."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.` is deprecated", FutureWarning)
            yield
    finally:
        log.setLevel(before)
