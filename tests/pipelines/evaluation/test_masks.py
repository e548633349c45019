import numpy as np
import pytest
from PIL import Image

from pipelines.errors import DataError
from pipelines.evaluation.masks import check_some, mask_path, read_mask, read_masks
from pipelines.images import prepare, read
from pipelines.recipe import ImageParams

FILM, MASK = "home/PNEUMONIA/p1.png", "home/masks/p1.png"


def image(fit="pad", height=40, width=40, levels="stored", channels=1):
    return ImageParams(height=height, width=width, channels=channels, levels=levels, fit=fit)


@pytest.fixture
def write(tmp_path):
    """Writes pixels as a picture into the raw data set."""

    def save(path, pixels):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / path)

    return save


def rectangle(height=60, width=90, level=255):
    """Black, with a bright rectangle that is not in the middle."""
    pixels = np.zeros((height, width), dtype=np.uint8)
    pixels[height // 3 : height // 2, width // 2 : 2 * width // 3] = level
    return pixels


def test_a_mask_lies_beside_the_class_folders_under_the_films_name():
    assert mask_path("riverside/PNEUMONIA/P00031-1.png", "masks") == "riverside/masks/P00031-1.png"
    assert mask_path("riverside/PNEUMONIA/P00031-1.jpeg", "lesions") == "riverside/lesions/P00031-1.png"
    assert mask_path("PNEUMONIA/person1.2.dcm", "masks") == "masks/person1.2.png"


@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (33, 71)])
@pytest.mark.parametrize("size", [(40, 40), (50, 30)])
def test_film_and_mask_go_through_the_same_geometry(tmp_path, write, fit, shape, size):
    write(FILM, rectangle(*shape))
    write(MASK, rectangle(*shape))
    params = image(fit, *size)
    mask = read_mask(tmp_path, FILM, MASK, params)
    assert mask.shape == size
    assert mask.any()
    assert not mask.all()
    assert np.array_equal(mask, prepare(read(tmp_path / FILM), params)[..., 0] >= 128)


def test_a_mask_may_have_another_resolution_than_its_film(tmp_path, write):
    write(FILM, rectangle(60, 90))
    write(MASK, np.kron(rectangle(60, 90), np.ones((2, 2), dtype=np.uint8)))
    mask = read_mask(tmp_path, FILM, MASK, image())
    film = prepare(read(tmp_path / FILM), image())[..., 0] >= 128
    assert (mask != film).sum() <= 0.1 * film.sum()


def test_a_mask_is_never_equalized(tmp_path, write):
    write(FILM, np.arange(3600, dtype=np.uint8).reshape(60, 60))
    write(MASK, rectangle(60, 60))
    plain, equalized = (
        read_mask(tmp_path, FILM, MASK, image(levels=levels, channels=3)) for levels in ("stored", "equalized")
    )
    assert np.array_equal(plain, equalized)


def test_a_finding_smaller_than_a_pixel_of_the_model_is_not_lost(tmp_path, write):
    drawn = np.zeros((400, 400), dtype=np.uint8)
    drawn[205:207, 105:107] = 255
    write(FILM, drawn)
    write(MASK, drawn)
    mask = read_mask(tmp_path, FILM, MASK, image())
    assert np.argwhere(mask).tolist() == [[20, 10]]


def test_a_film_without_mask_file_or_finding_has_none(tmp_path, write):
    write(FILM, rectangle())
    assert read_mask(tmp_path, FILM, MASK, image()) is None
    write(MASK, np.zeros((60, 90), dtype=np.uint8))
    assert read_mask(tmp_path, FILM, MASK, image()) is None


def test_a_finding_that_is_cropped_off_is_none(tmp_path, write):
    write(FILM, rectangle(60, 200))
    mask = np.zeros((60, 200), dtype=np.uint8)
    mask[20:40, :20] = 255
    write(MASK, mask)
    assert read_mask(tmp_path, FILM, MASK, image("crop")) is None
    assert read_mask(tmp_path, FILM, MASK, image("pad")).any()


def test_a_mask_of_another_aspect_is_refused(tmp_path, write):
    write(FILM, rectangle(60, 90))
    write(MASK, rectangle(60, 60))
    with pytest.raises(
        DataError, match=f"The mask {MASK} is 60 x 60, its film {FILM} 90 x 60 pixels. Expected the same"
    ):
        read_mask(tmp_path, FILM, MASK, image())


def test_a_mask_that_is_no_picture_is_refused(tmp_path, write):
    write(FILM, rectangle())
    write(MASK, rectangle())
    (tmp_path / MASK).write_text("not a picture")
    with pytest.raises(DataError, match=f"The mask {MASK} is no picture"):
        read_mask(tmp_path, FILM, MASK, image())


def test_a_mask_of_zeros_and_ones_is_refused(tmp_path, write):
    write(FILM, rectangle())
    write(MASK, rectangle(level=1))
    with pytest.raises(DataError, match=f"The mask {MASK} is no brighter than 1 of 255. Expected white"):
        read_mask(tmp_path, FILM, MASK, image())


def test_masks_come_in_the_order_of_the_films(tmp_path, write):
    films = ["home/NORMAL/p0.png", FILM]
    for film in films:
        write(film, rectangle())
    write(MASK, rectangle())
    none, mask = read_masks(tmp_path, films, "masks", image())
    assert none is None
    assert mask.any()


def test_a_split_without_any_mask_is_told_where_one_was_sought(tmp_path, write):
    write(FILM, rectangle())
    with pytest.raises(DataError, match=r"Not one of 1 films has a mask: there is no .*home/masks/p1.png"):
        check_some(tmp_path, [FILM], "masks")
