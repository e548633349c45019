import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the thresholds are those of glibc")
ROOT = Path(__file__).resolve().parents[3]
MAPPED = """
import ctypes
import numpy as np

glibc = ctypes.CDLL(None)
glibc.mallinfo2.restype = type("Info", (ctypes.Structure,), {"_fields_": [(n, ctypes.c_size_t) for n in "abcdefghij"]})

def mapped(size=4 * 2**20):
    "How many more blocks are mapped while an array of so many bytes is there."
    before = glibc.mallinfo2().d
    array = np.empty(size, np.uint8)
    return glibc.mallinfo2().d - before
"""


def said(code):
    """What a program of its own prints: the thresholds are those of a process."""
    done = subprocess.run([sys.executable, "-c", MAPPED + code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_freed_blocks_are_kept_for_the_next_ones():
    code = """
from pipelines.training.heap import MMAP_THRESHOLD, keep_freed_memory
glibc.mallopt(MMAP_THRESHOLD, 128 * 1024)
print(mapped())
keep_freed_memory()
print(mapped())
"""
    assert said(code) == ["1", "0"]


def test_a_step_of_training_maps_no_tensor_anew():
    code = """
import keras
from pipelines.recipe import TrainParams
from pipelines.training.batches import Batches
from pipelines.training.follow import Feed
from tests.conftest import TRAINING
from tests.pipelines.patches import draw

class Plain(keras.utils.PyDataset):
    def __len__(self):
        return len(feed)
    def __getitem__(self, step):
        return feed.sources[0].batch(0, step)

class Watch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        told.append(mapped())

data = draw(48)
feed, told = Feed([Batches(data, 2, TrainParams(**TRAINING))], 0, 0), []
model = keras.Sequential([keras.Input(data.images.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(1)])
model.compile("sgd", "mse")
for fed in (Plain(), feed):
    told.clear()
    model.fit(fed, verbose=0, epochs=2, callbacks=[Watch()])
    print(min(told), max(told))
"""
    assert said(code) == ["1", "1", "0", "0"]
