"""The PyTorch kind of model: network, training, heatmap and export. Nothing else in the project imports PyTorch.

Raises:
    ModelError: PyTorch is not installed.
"""

from pipelines.errors import ModelError

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModelError(
        "The recipe's model needs PyTorch, which is not installed. Run `make torch`, or choose another model.name."
    ) from None
