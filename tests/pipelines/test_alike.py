import io

import imagehash
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageEnhance

from pipelines import alike as module
from pipelines.phash import hashes
from pipelines.recipe import AlikeParams
from pipelines.statistics import measure

ALIKE = AlikeParams(hash_bits=4, correlation=0.995)


def twins(digests, codes, thumbnails, alike=ALIKE):
    columns = ((digests, pa.string()), (codes, pa.string()), (thumbnails, pa.binary(256)))
    return list(module.twins(*(pa.chunked_array([values], kind) for values, kind in columns), alike))


def film(seed):
    """A smooth picture with structure, different for each seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(30, 226, (9, 8), dtype=np.uint8))
    return coarse.resize((300, 340), Image.Resampling.BICUBIC)


def as_jpeg(picture, quality):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue()))


def leaders(pictures, digests=None):
    measured = [measure(picture) for picture in pictures]
    codes = hashes([small for _, small in measured])
    thumbnails = [statistics.thumbnail for statistics, _ in measured]
    return twins(digests or [str(n) for n in range(len(pictures))], codes, thumbnails)


@pytest.mark.parametrize(
    "change",
    [
        lambda picture: as_jpeg(picture, 60),
        lambda picture: picture.resize((150, 170), Image.Resampling.BILINEAR),
        lambda picture: ImageEnhance.Brightness(picture).enhance(1.1),
        lambda picture: ImageEnhance.Contrast(picture).enhance(0.8),
        lambda picture: picture.convert("RGB"),
    ],
)
def test_a_changed_copy_is_found_among_others(change):
    pictures = [film(seed) for seed in range(30)]
    assert leaders([*pictures, change(pictures[7])]) == [*range(30), 7]


def test_likeness_is_passed_on():
    first = film(1)
    assert leaders([first, as_jpeg(first, 80), as_jpeg(as_jpeg(first, 80), 70), film(2)]) == [0, 0, 0, 3]


def test_equal_content_is_one_picture_and_what_cannot_be_read_is_like_nothing():
    digests, codes = ["a", None, "b", "a", None, "b"], [None] * 6
    assert twins(digests, codes, [None] * 6) == [0, 1, 2, 0, 4, 2]


def test_flat_pictures_are_alike_only_when_equal():
    assert leaders([Image.new("L", (80, 80), level) for level in (9, 99, 199)]) == [0, 1, 2]


def test_no_image_and_one_image_have_no_twins():
    assert twins([], [], []) == []
    assert leaders([film(0)]) == [0]


def test_every_pair_within_the_hash_distance_is_compared(rng):
    codes = rng.integers(0, 2**63, 200, dtype=np.uint64)
    near = codes.copy()
    for bit in (3, 17, 40, 62):
        near ^= np.uint64(1) << np.uint64(bit)
    texts = [f"{int(code):016x}" for code in (*codes, *near)]
    thumbnail = rng.integers(0, 256, (200, 256), dtype=np.uint8)
    found = twins([str(n) for n in range(400)], texts, [t.tobytes() for t in (*thumbnail, *thumbnail)])
    assert found == [*range(200), *range(200)]


def test_the_hash_is_that_of_imagehash():
    pictures = [film(seed).resize((150, 170)) for seed in range(20)]
    assert hashes([measure(picture)[1] for picture in pictures]) == [str(imagehash.phash(p)) for p in pictures]
