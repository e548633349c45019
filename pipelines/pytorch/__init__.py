"""The PyTorch kind of model: network, training, heatmap and export. Nothing else in the project imports PyTorch.

Raises:
    ModelError: PyTorch is not installed.
"""

from importlib.util import find_spec

from pipelines.errors import ModelError

if find_spec("torch") is None:
    raise ModelError(
        "The recipe's model needs PyTorch, which is not installed. Run `make torch`, or choose another model.name."
    )
