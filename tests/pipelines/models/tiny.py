"""Every network at a small size, and what its heatmap must be."""

import functools

import keras
import numpy as np
from pydantic import TypeAdapter

from pipelines.models import build
from pipelines.recipe import ImageParams, LabelParams
from pipelines.recipe_models import ModelParams

NARROW = {"filters": (4, 6), "dense": 12, "dropout": 0.2}
WIDE = {"dense": 16, "dropout": 0.5}
PRETRAINED = {"weights": None, "dense": 16, "dropout": (0.5, 0.3)}
SIZES = {
    "small-cnn": NARROW,
    "residual-cnn": {**NARROW, "blocks": 2},
    "mnist-cnn": NARROW,
    "cifar-cnn": {**NARROW, "dense_dropout": 0.5},
    "custom-cnn": NARROW,
    "lenet-5": {},
    "alexnet": WIDE,
    "vgg16": WIDE,
    "vgg19": WIDE,
    "densenet121": PRETRAINED,
    "resnet50": PRETRAINED,
    "efficientnet-b0": PRETRAINED,
    "efficientnet-lite0": PRETRAINED,
}
SMALL = [name for name, sizes in SIZES.items() if sizes is not WIDE and sizes is not PRETRAINED]
LARGE = [name for name in SIZES if name not in SMALL]
TRANSFER = [name for name, sizes in SIZES.items() if sizes is PRETRAINED]


def section(name, **changes):
    """The `model` section of a recipe."""
    return TypeAdapter(ModelParams).validate_python({"name": name, **SIZES[name], **changes})


def image_of(side, channels=1):
    return ImageParams(levels="stored", height=side, width=side, channels=channels, fit="pad")


def labels_of(classes):
    names = tuple(f"class {number}" for number in range(classes))
    return LabelParams(names=names, positive=names[1] if classes == 2 else None)


def built(name, side=None, channels=1, classes=2, **changes):
    side = side or (64 if name in TRANSFER else 28)
    return build(section(name, **changes), image_of(side, channels), labels_of(classes))


def described(name, **sizes):
    """A network whose weights have shapes and no values, so that a large one costs nothing."""
    with keras.StatelessScope(initialize_variables=False):
        model = built(name, **sizes)
    keras.utils.clear_session(free_memory=False)  # forgets that its weights still want values
    return model


known = functools.cache(described)


def with_drawn_statistics(model):
    """The model as if it had been trained: batch normalisation scales and shifts, some channels downwards."""
    for seed, weight in enumerate(model.weights):
        if "variance" in weight.path:
            weight.assign(keras.random.uniform(weight.shape, 0.5, 2.0, seed=seed))
        elif any(name in weight.path for name in ("gamma", "beta", "moving_mean")):
            weight.assign(weight + keras.random.normal(weight.shape, stddev=0.4, seed=seed))
    return model


def grad_cam_by_automatic_differentiation(model, images):
    """Grad-CAM as its paper writes it, with a gradient tape."""
    import tensorflow as tf

    features = model.get_layer("features").output
    head = keras.Model(features, model.get_layer("logit").output)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        maps = tf.convert_to_tensor(keras.Model(model.input, features)(images.astype("float32")))
        tape.watch(maps)
        logits = head(maps)
        score = tf.reduce_max(logits, axis=1) if logits.shape[1] > 1 else logits[:, 0]
    gradient = tape.gradient(score, maps)
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(maps * weights, axis=-1)).numpy()


def both_ways(model):
    """The model, and again with its logits turned round: where no heat of the one is positive, some of the other is."""
    kernel = model.get_layer("logit").kernel
    for _ in range(2):
        yield model
        kernel.assign(-kernel)


def pictures(model, count=6):
    """Blots on noise, (count, height, width, channels) uint8, as the model takes them."""
    rng = np.random.default_rng(0)
    shape = model.input.shape[1:]
    images = rng.integers(0, 80, (count, *shape), dtype=np.uint8)
    for place, picture in enumerate(images):
        picture[4 + place : 16 + place, 6 : 18 - place] += 120
    return images
