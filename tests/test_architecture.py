"""The rules that keep the house in order: who may import whom, and what dvc.yaml must know."""

import ast
import importlib
import shlex
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines.evaluation import dvc_plots
from pipelines.recipe_file import load
from pipelines.stage import signature

ROOT = Path(__file__).resolve().parent.parent
PLUMBING = {
    "pipelines/__init__.py",
    "pipelines/errors.py",
    "pipelines/recipe.py",
    "pipelines/recipe_checks.py",
    "pipelines/recipe_evaluation.py",
    "pipelines/recipe_file.py",
    "pipelines/recipe_models.py",
    "pipelines/recipe_monitor.py",
    "pipelines/recipe_sources.py",
    "pipelines/section.py",
    "pipelines/sentences.py",
    "pipelines/stage.py",
}
STAGES = ("ingest", "validate", "preprocess", "train", "evaluate", "package")
KERAS_ROOMS = {
    "augment",
    "compiled",
    "contact_sheet",
    "devices",
    "explain",
    "follow",
    "frozen",
    "keras_export",
    "keras_layers",
    "keras_learner",
    "models",
    "phases",
    "predict",
}
CODE = (".py", ".j2", ".css")
HEAVY = {"tensorflow", "keras", "prefect", "dvc", "great_expectations"}


@cache
def yaml(path):
    return YAML(typ="safe").load((ROOT / path).read_text())


def modules(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def imported(path):
    """Dotted names that a file imports, each `from a import b` as both `a` and `a.b`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@cache
def own_files(path):
    """Files of this project that a file imports, the packages they lie in included."""
    found = set()
    for name in imported(path):
        parts = name.split(".")
        if parts[0] not in ("pipelines", "serving", "flows"):
            continue
        candidates = [ROOT.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
        candidates.append(ROOT.joinpath(*parts).with_suffix(".py"))
        found |= {candidate for candidate in candidates if candidate.is_file()}
    return found


def closure(path):
    seen, todo = {path}, [path]
    while todo:
        new = own_files(todo.pop()) - seen
        seen |= new
        todo += new
    return {file.relative_to(ROOT).as_posix() for file in seen}


def stage_of_recipe(name):
    """A stage as dvc.yaml writes it, and the module that it runs."""
    stage = yaml("dvc.yaml")["stages"][name]
    stage = stage.get("do", stage)
    words = shlex.split(stage["cmd"])
    module = importlib.import_module(words[words.index("-m") + 1])
    options = dict(zip(words[3::2], words[4::2], strict=True))
    return stage, module, options


@pytest.mark.parametrize("name", ["draw", *STAGES])
def test_a_stage_depends_on_exactly_the_code_that_it_imports(name):
    stage, module, _ = stage_of_recipe(name)
    code = {dep for dep in stage["deps"] if dep.endswith(CODE)}
    expected = closure(Path(module.__file__)) - PLUMBING
    expected |= {Path(extra).as_posix() for extra in getattr(module, "READS", ())}
    assert code == expected


@pytest.mark.parametrize("name", ["draw", *STAGES])
def test_a_stage_names_the_sections_files_and_folders_of_its_signature(name):
    stage, module, options = stage_of_recipe(name)
    paths, sections = signature(module.run)
    recipe = options.pop("--recipe")
    cache = options.pop("--cache", ".filmgate/cache/${key}")
    assert cache == ".filmgate/cache/${key}"  # saves work and decides nothing, so that DVC need not know it
    assert {option.lstrip("-").replace("-", "_") for option in options} == set(paths) - {"cache"}
    params = next(iter(stage.get("params", [{recipe: []}])))[recipe]
    assert sorted(params) == sorted(section for section in sections if section != "recipe")
    data = [dep for dep in stage["deps"] if not dep.endswith(CODE)]
    assert sorted(options.values()) == sorted({*data, *stage["outs"]} & set(options.values()))
    assert set(stage["outs"]) <= set(options.values())


@pytest.mark.parametrize("recipe", sorted(yaml("params.yaml")["recipes"]))
def test_every_recipe_of_params_is_valid(recipe):
    assert load(ROOT / "recipes" / f"{recipe}.yaml").title


def test_every_recipe_file_is_in_params():
    assert {path.stem for path in (ROOT / "recipes").glob("*.yaml")} == set(yaml("params.yaml")["recipes"])


def test_every_recipe_is_compared_by_its_validation_figures():
    recipes = sorted(yaml("params.yaml")["recipes"])
    assert sorted(yaml("dvc.yaml")["metrics"]) == sorted(f"data/{name}/model/validation.json" for name in recipes)


def test_every_recipe_has_its_three_plots():
    recipes, written = sorted(yaml("params.yaml")["recipes"]), yaml("dvc.yaml")["plots"]
    plots = {name: plot for entry in written for name, plot in entry.items()}
    assert len(plots) == len(written) == 3 * len(recipes)
    for recipe in recipes:
        evaluation = f"data/{recipe}/evaluation"
        assert plots[f"{recipe}: ROC"]["y"] == {f"{evaluation}/roc.csv": "sensitivity"}
        assert plots[f"{recipe}: calibration"]["y"] == {f"{evaluation}/calibration.csv": "observed"}
        assert plots[f"{recipe}: confusion"]["y"] == {f"{evaluation}/confusion.csv": "actual"}


def test_plots_name_columns_that_are_written():
    columns = {"roc": dvc_plots.ROC, "calibration": dvc_plots.CALIBRATION, "confusion": dvc_plots.CONFUSION}
    for plot in (plot for entry in yaml("dvc.yaml")["plots"] for plot in entry.values()):
        ((file, drawn),) = plot["y"].items()
        assert {plot["x"], drawn} <= set(columns[Path(file).stem])


def test_pytorch_is_met_in_one_room():
    for path in modules("pipelines", "serving", "flows"):
        if "torch" in {name.split(".")[0] for name in imported(path)}:
            assert path.parent.name == "pytorch", path


def test_stages_never_import_stages():
    stage_files = {f"pipelines/{name}.py" for name in STAGES}
    for path in modules("pipelines"):
        others = closure(path) - {path.relative_to(ROOT).as_posix()}
        assert not others & stage_files, path


def test_flows_import_no_stage():
    for path in modules("flows"):
        assert not {f"pipelines.{name}" for name in STAGES} & imported(path), path


def test_nobody_imports_flows_or_serving():
    for path in modules("pipelines"):
        assert not {name.split(".")[0] for name in imported(path)} & {"flows", "serving"}, path


def test_the_page_knows_the_client_alone():
    parts = [ROOT / "serving/app.py", *(ROOT / "serving/page").rglob("*.py")]
    names = {name for path in parts for name in imported(path) if name.startswith(("serving.", "pipelines", "flows"))}
    assert "serving.client" in names
    assert {name.split(".")[1] for name in names if name.startswith("serving.")} == {"client", "page"}
    assert not {name for name in names if name.startswith(("pipelines", "flows"))}


def test_the_client_knows_errors_and_the_notice_alone():
    found = {path.relative_to(ROOT).as_posix() for path in own_files(ROOT / "serving/client.py")}
    assert found == {"pipelines/__init__.py", "pipelines/errors.py", "pipelines/notice.py"}


def test_keras_stays_in_few_rooms():
    for path in modules("pipelines", "serving", "flows"):
        if {"keras", "tensorflow"} & {name.split(".")[0] for name in imported(path)}:
            assert KERAS_ROOMS & set(path.with_suffix("").relative_to(ROOT).parts), path


def test_the_service_reaches_nothing_heavy():
    reached = {name.split(".")[0] for file in closure(ROOT / "serving/service.py") for name in imported(ROOT / file)}
    assert not reached & {*HEAVY, "pandas", "sklearn", "matplotlib"}


def test_recomputing_the_record_reaches_no_training_code():
    files = closure(ROOT / "pipelines/recompute.py")
    assert not [file for file in files if file.split("/")[1] in {"training", "models", "pytorch", "export", "train.py"}]
    reached = {name.split(".")[0] for file in files for name in imported(ROOT / file)}
    assert not reached & {*HEAVY, "torch", "onnxruntime", "onnx", "bentoml"} - {"onnxruntime"}


def test_great_expectations_is_met_in_one_room():
    rooms = {
        path.stem
        for path in modules("pipelines", "serving", "flows")
        if "great_expectations" in {name.split(".")[0] for name in imported(path)}
    }
    assert rooms == {"judge"}


def test_modules_are_small():
    for path in modules("pipelines", "serving", "flows"):
        lines = path.read_text().splitlines()
        assert len(lines) <= 300, f"{path} has {len(lines)} lines"


def test_functions_are_short():
    for path in modules("pipelines", "serving", "flows"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = node.end_lineno - body[0].lineno + 1 if body else 0
                assert length <= 40, f"{path}:{node.name} has {length} lines"


def test_no_module_is_named_for_nothing():
    for path in modules("pipelines", "serving", "flows"):
        assert path.stem not in {"utils", "util", "helpers", "common", "misc"}
