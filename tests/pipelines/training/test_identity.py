import ast

import numpy as np
import pytest

from pipelines.recipe_models import Transfer
from pipelines.training.identity import CODE, PIPELINES, code_files, identity
from tests.pipelines.patches import AUGMENT, NORMALISED

# Modules that training imports and that decide no weight: what a run is told, kept, and where it is written.
HARMLESS = {
    "__init__.py",
    "architecture/__init__.py",
    "architecture/formulas.py",
    "architecture/keras_layers.py",
    "card.py",
    "errors.py",
    "export/__init__.py",
    "export/explain.py",
    "export/familiarity.py",
    "export/keras_export.py",
    "export/normalisation.py",
    "export/onnx_file.py",
    "inference.py",
    "prepared.py",
    "recipe.py",
    "recipe_checks.py",
    "recipe_evaluation.py",
    "recipe_file.py",
    "recipe_models.py",
    "recipe_monitor.py",
    "recipe_sources.py",
    "section.py",
    "sentences.py",
    "stage.py",
    "training/__init__.py",
    "training/checkpoint.py",
    "training/heap.py",  # where tensors lie, not what is in them
    "training/learner.py",
    "training/memory.py",
    "training/predict.py",
    "training/progress.py",
}


@pytest.fixture
def prepared(tmp_path):
    for split in ("train", "val"):
        np.save(tmp_path / f"{split}.npy", np.zeros((2, 2)))
        (tmp_path / f"{split}.parquet").write_text(split)
    return tmp_path


def test_the_same_run_has_the_same_identity(prepared):
    assert identity(prepared, (AUGMENT, NORMALISED)) == identity(prepared, (AUGMENT, NORMALISED))


@pytest.mark.parametrize("file", ["train.npy", "val.npy", "train.parquet", "val.parquet"])
def test_other_data_are_another_run(prepared, file):
    before = identity(prepared, (AUGMENT,))
    (prepared / file).write_bytes(b"other")
    assert identity(prepared, (AUGMENT,)) != before


def test_other_numbers_are_another_run(prepared):
    other = NORMALISED.model_copy(update={"dense": 5})
    assert identity(prepared, (other,)) != identity(prepared, (NORMALISED,))


def test_a_file_of_weights_counts_by_its_content(prepared, tmp_path):
    weights = tmp_path / "weights.h5"
    model = Transfer(name="resnet50", weights=str(weights), dense=4, dropout=(0.5, 0.3))
    weights.write_bytes(b"one")
    before = identity(prepared, (model,))
    weights.write_bytes(b"two")
    assert identity(prepared, (model,)) != before


def test_other_code_is_another_run(prepared, monkeypatch, tmp_path):
    before = identity(prepared, (AUGMENT,))
    changed = tmp_path / "batches.py"
    changed.write_text("# another order")
    files = [changed if file.name == "batches.py" else file for file in code_files()]
    monkeypatch.setattr("pipelines.training.identity.code_files", lambda: files)
    assert identity(prepared, (AUGMENT,)) != before


def test_all_code_that_training_imports_counts_or_is_known_to_be_harmless():
    seen, todo = set(), [PIPELINES / "training" / "phases.py", PIPELINES / "training" / "keras_learner.py"]
    while todo:
        file = todo.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipelines."):
                path = PIPELINES.joinpath(*node.module.split(".")[1:])
                todo += [path.with_suffix(".py"), path / "__init__.py"]
    counted = {file for file in seen if file in code_files()}
    assert {file.relative_to(PIPELINES).as_posix() for file in seen - counted} <= HARMLESS
    assert {PIPELINES / name for name in CODE if name.endswith(".py")} <= seen
