import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import ImageError
from pipelines.images import enough, prepare, read, to_eight_bit
from pipelines.recipe import ImageParams


def encoded(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def frame(picture, fit="pad", height=40, width=40, channels=1):
    return prepare(picture, ImageParams(levels="stored", height=height, width=width, channels=channels, fit=fit))


@pytest.fixture
def levels(rng):
    return rng.integers(0, 256, (30, 50), dtype=np.uint8)


def test_a_file_and_its_bytes_are_read_alike(levels, tmp_path):
    (tmp_path / "film.png").write_bytes(content := encoded(Image.fromarray(levels)))
    assert np.array_equal(read(tmp_path / "film.png"), read(content))


def test_a_picture_knows_how_it_is_stored(levels):
    picture = read(encoded(Image.fromarray(levels)))
    assert (picture.mode, picture.info["stored"], picture.info["bits"]) == ("L", (50, 30), 8)
    assert read(encoded(Image.fromarray(levels).convert("1"))).info["bits"] == 1


def test_a_film_is_turned_upright_as_its_file_says(levels):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read(encoded(Image.fromarray(levels), "JPEG", exif=exif)).size == (30, 50)


def test_a_film_decoded_smaller_remembers_its_size_and_its_turn(levels):
    exif = Image.Exif()
    exif[0x0112] = 6
    film = Image.fromarray(levels).resize((800, 480))
    small = read(encoded(film, "JPEG", exif=exif), at_least=100)
    assert small.size == (120, 200)
    assert small.info["stored"] == (480, 800)


@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
@pytest.mark.parametrize("size", [(1600, 1200), (500, 1700)])
def test_a_film_decoded_smaller_hardly_differs_in_what_the_model_sees(levels, fit, size):
    film = encoded(Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC), "JPEG", quality=92)
    image = ImageParams(levels="stored", height=40, width=40, channels=1, fit=fit)
    whole, loaded = (prepare(read(film, at_least=least), image).astype(int) for least in (None, enough(image)))
    assert np.abs(whole - loaded).mean() < 1
    assert np.abs(whole - loaded).max() < 12


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_frames_are_refused(levels, kind):
    pictures = [Image.fromarray(levels), Image.fromarray(255 - levels)]
    with pytest.raises(ImageError, match="has 2 frames. Expected a single picture") as caught:
        read(encoded(pictures[0], kind, save_all=True, append_images=pictures[1:]))
    assert caught.value.kind == "unsupported"


def test_the_previews_of_a_camera_do_not_count_as_frames(levels):
    pictures = [Image.fromarray(levels), Image.fromarray(levels).resize((10, 6))]
    assert read(encoded(pictures[0], "MPO", save_all=True, append_images=pictures[1:])).size == (50, 30)


def test_a_colour_space_that_is_no_picture_of_light_is_refused(levels):
    with pytest.raises(ImageError, match="is stored as LAB") as caught:
        read(encoded(Image.merge("LAB", [Image.fromarray(levels)] * 3), "TIFF"))
    assert caught.value.kind == "unsupported"


def test_a_progressive_film_is_read_like_a_plain_one(levels):
    film = Image.fromarray(levels)
    assert np.array_equal(read(encoded(film, "JPEG", progressive=True)), read(encoded(film, "JPEG")))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("at_least", [None, 100])
def test_a_truncated_film_is_called_so_however_it_is_decoded(rng, progressive, share, at_least):
    film = Image.fromarray(rng.integers(0, 256, (700, 900), dtype=np.uint8))
    content = encoded(film, "JPEG", progressive=progressive)
    with pytest.raises(ImageError, match="damaged or truncated") as caught:
        read(content[: int(share * len(content))], at_least=at_least)
    assert caught.value.kind == "truncated"


def test_transparency_in_a_palette_lies_on_black():
    picture = Image.new("P", (9, 9), 1)
    picture.putpalette([0, 0, 0, 255, 255, 255])
    assert frame(read(encoded(picture, "PNG", transparency=1))).max() == 0
    assert frame(read(encoded(picture, "PNG"))).min() == 255


def test_cmyk_is_inverted_into_light():
    assert frame(read(encoded(Image.new("CMYK", (9, 9), (0, 0, 0, 0)), "JPEG"))).min() > 250


@pytest.mark.parametrize(("content", "says"), [(b"", "empty"), (b"text", "no picture"), (bytes(99), "no picture")])
def test_what_is_no_picture_is_said(content, says):
    with pytest.raises(ImageError, match=f"^The upload is {says}"):
        read(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_a_truncated_picture_is_an_error_not_a_grey_half(levels, kind):
    content = encoded(Image.fromarray(levels), kind)
    with pytest.raises(ImageError):
        read(content[: len(content) // 2])


def test_a_file_is_called_by_its_name(tmp_path):
    (tmp_path / "film.png").write_text("text")
    with pytest.raises(ImageError, match=r"^film\.png is no picture"):
        read(tmp_path / "film.png")


@pytest.mark.parametrize("side", [11_000, 60_000])
def test_a_bomb_is_refused_before_it_is_decoded_and_without_a_warning(side):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match="at most 100,000,000"):
            read(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b""))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "CMYK", "1", "I;16", "I", "F"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_becomes_eight_bit_grey_or_colour(levels, mode, channels):
    deep = {"I;16": np.uint16, "I": np.int32, "F": np.float32}.get(mode)
    picture = Image.fromarray(levels.astype(deep)) if deep else Image.fromarray(levels).convert("RGB").convert(mode)
    pixels = frame(picture, channels=channels)
    assert pixels.shape == (40, 40, channels)
    assert pixels.dtype == np.uint8


def test_sixteen_bits_are_scaled_not_clipped(levels):
    deep = read(encoded(Image.fromarray(levels.astype(np.uint16) * 257)))
    assert (deep.mode, deep.info["bits"]) == ("I;16", 16)
    assert np.array_equal(to_eight_bit(deep), levels)


def test_what_is_transparent_lies_on_black():
    assert frame(Image.new("RGBA", (9, 9), (255, 255, 255, 0))).max() == 0


@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
def test_an_image_of_the_right_size_is_left_alone(levels, fit):
    assert np.array_equal(frame(Image.fromarray(levels), fit, 30, 50)[:, :, 0], levels)


def test_padding_keeps_the_whole_film_and_its_shape():
    pixels = frame(Image.new("L", (80, 40), 200))[:, :, 0]
    assert (pixels[10:30] == 200).all()
    assert pixels[:10].max() == pixels[30:].max() == 0


def test_cropping_keeps_the_middle():
    film = np.zeros((40, 80), dtype=np.uint8)
    film[:, 20:60] = 200
    assert (frame(Image.fromarray(film), "crop") == 200).all()


def test_stretching_fills_the_frame():
    assert (frame(Image.new("L", (80, 40), 200), "stretch") == 200).all()


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000)])
@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
def test_even_the_oddest_shape_is_brought_to_the_frame(fit, size):
    assert frame(Image.new("L", size, 9), fit).shape == (40, 40, 1)
