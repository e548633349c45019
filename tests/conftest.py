"""Pictures and folders that tests share, drawn in milliseconds."""

import io

import numpy as np
import pytest
from PIL import Image

from pipelines.card import Card, Familiarity, sha256
from pipelines.recipe import ImageParams, LabelParams, TrainParams
from pipelines.recipe_sources import FolderSource


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def labels():
    return LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA")


@pytest.fixture
def source():
    """A source of class folders whose file names begin with the patient, as `p7-1.png`."""
    return FolderSource(
        kind="folder", folder="home", site="home", patient=r"^(p\d+)-", classes=None, splits=None, table=None
    )


@pytest.fixture
def small_image():
    return ImageParams(levels="stored", height=16, width=16, channels=1, fit="stretch")


@pytest.fixture
def films(tmp_path, rng):
    """A raw data set with ten patients of each class, two films each, all of them different."""
    raw = tmp_path / "raw"
    for first, label in ((0, "NORMAL"), (100, "PNEUMONIA")):
        folder = raw / "home" / label
        folder.mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 256, (80, 72), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"p{first + number // 2}-{number % 2}.png")
    return raw


SIDE = 256  # of the matrices that only cost time


def write_onnx(path, image, cell, work):
    """A model.onnx whose logit is 12 (mean grey - 0.5), whose heat is the mean grey of each cell of `cell` pixels.

    It multiplies large matrices `work` times on the way, for nothing but the time that this takes.
    """
    from onnx import TensorProto, checker, helper, numpy_helper, save

    constants = {
        "scale": np.float32(1 / 255),
        "half": np.float32(0.5),
        "gain": np.float32(12),
        "one": np.float32(1),
        "second": np.array([1], np.int64),
        "pixels": np.array([1, 2, 3], np.int64),
        "zero": np.float32(0),
        "large": np.eye(SIDE, dtype=np.float32),
    }
    steps = [
        helper.make_node("Cast", ["image"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["grey", "scale"], ["unit"]),
        helper.make_node("ReduceMean", ["unit", "pixels"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "half"], ["away"]),
        helper.make_node("Mul", ["away", "gain"], ["plain logit"]),
        *labour(helper, work),
        helper.make_node("Add", ["plain logit", "nothing"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["chance"]),
        helper.make_node("Sub", ["one", "chance"], ["rest"]),
        helper.make_node("Unsqueeze", ["rest", "second"], ["negative"]),
        helper.make_node("Unsqueeze", ["chance", "second"], ["positive"]),
        helper.make_node("Concat", ["negative", "positive"], ["probability"], axis=1),
        helper.make_node("Transpose", ["unit"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["cells"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("ReduceMean", ["cells", "second"], ["heatmap"], keepdims=0),
        helper.make_node("Mul", ["away", "away"], ["distance"]),
    ]
    size = [image.height, image.width, image.channels]
    taken = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", *size])]
    given = [
        helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", 2]),
        helper.make_tensor_value_info("heatmap", TensorProto.FLOAT, ["n", "rows", "columns"]),
        helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["n"]),
    ]
    numbers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(steps, "brightness", taken, given, numbers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model)
    save(model, path)


def labour(helper, work):
    """Steps that give `nothing`, 0, slowly: what depends on the image cannot be calculated in advance."""
    steps = [
        helper.make_node("ReduceMax", ["unit"], ["brightest"], keepdims=0),
        helper.make_node("Mul", ["large", "brightest"], ["product 0"]),
    ]
    for step in range(work):
        steps.append(helper.make_node("MatMul", [f"product {step}", "large"], [f"product {step + 1}"]))
    steps.append(helper.make_node("ReduceMax", [f"product {work}"], ["last"], keepdims=0))
    return [*steps, helper.make_node("Mul", ["last", "zero"], ["nothing"])]


@pytest.fixture(scope="session")
def release_model():
    """Writes a folder with a real, tiny model.onnx and its card: `release_model(folder, fit="crop", refer=None)`.

    A bright film is PNEUMONIA; a film of middle grey is the most usual one, black and white ones are the least.
    """

    def write(folder, fit="pad", size=(32, 32), channels=1, cell=8, work=0, **changes):
        folder.mkdir(parents=True, exist_ok=True)
        image = ImageParams(levels="stored", height=size[0], width=size[1], channels=channels, fit=fit)
        write_onnx(folder / "model.onnx", image, cell, work)
        digest = sha256(folder / "model.onnx")
        values = {
            "recipe": "demo",
            "title": "Pneumonia on phantom chest films",
            "version": digest[:12],
            "sha256": digest,
            "labels": LabelParams(names=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA"),
            "image": image,
            "threshold": 0.5,
            "refer": (0.4, 0.6),
            "familiarity": Familiarity(shares=(0.0, 0.5, 1.0), distances=(0.0, 0.04, 0.24), refuse=0.005),
            "heat_scale": 0.8,
            "facts": {
                "data": {"train": {"images": 40, "patients": 20, "labels": {"NORMAL": 22, "PNEUMONIA": 18}}},
                "training": {"architecture": "brightness", "validation_auc": 0.9},
            },
        }
        card = Card(**{**values, **changes})
        card.write(folder / "card.json")
        return card

    return write


@pytest.fixture(scope="session")
def cluster_address():
    """Address of a Dask scheduler with two worker processes."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def as_png():
    """The bytes of a PNG file with these pixels: `as_png(np.full((50, 70), 200, "uint8"))`."""

    def encode(pixels, kind="PNG"):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind)
        return file.getvalue()

    return encode


@pytest.fixture
def training():
    """A function that makes a `train` section; what a test does not name is a short run of small batches."""

    def section(**changes):
        return TrainParams(**(TRAINING | changes))

    return section


TRAINING = {
    "seed": 1,
    "batch": 8,
    "head": None,
    "epochs": 4,
    "learning_rate": 0.01,
    "schedule": "cosine",
    "warm_up": 0.05,
    "weight_decay": 1e-4,
    "clip_norm": None,
    "label_smoothing": 0.0,
    "balance": "weights",
    "monitor": "auc",
    "patience": 4,
    "precision": "float32",
    "jit": False,
    "devices": "one",
}
