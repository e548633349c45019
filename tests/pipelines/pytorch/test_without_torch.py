import importlib
import sys

import pytest

from pipelines.errors import ModelError


def test_without_pytorch_one_sentence_tells_how_to_get_it(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("pipelines.pytorch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match="needs PyTorch, which is not installed. Run `make torch`"):
        importlib.import_module("pipelines.pytorch.learner")
