"""Pictures that are no chest films, and films that were changed: what a guard should refuse, by name.

Groups marked `chosen on` are the development set: the guard was chosen on them. The others were not used for it.
"""

import gzip
import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

CHOSEN_ON = "chosen on: "
PHOTOGRAPHS = ("astronaut", "brick", "camera", "cell", "chelsea", "coffee", "coins", "clock_motion", "page", "phantom")
OTHERS = (
    "chessboard_GRAY",
    "chessboard_RGB",
    "color",
    "grass",
    "gravel",
    "horse",
    "hubble_deep_field",
    "ihc",
    "logo",
    "microaneurysms",
    "moon",
    "motorcycle_left",
    "motorcycle_right",
    "retina",
    "rocket",
    "text",
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
Pictures = list[Image.Image]


def strangers(real: Path, rng: np.random.Generator, count: int) -> Iterator[tuple[str, Pictures]]:
    """Groups of pictures that are no chest films.

    Args:
        real: the folder of real data.
        count: pictures of a drawn or large group.
    """
    for name, pictures in _photographs():
        yield name, pictures
        yield f"{name}, in grey", in_grey(pictures)
    for lead, kinds in ((CHOSEN_ON, range(5)), ("", range(5, 10))):
        small = _cifar(real / "cifar10" / "cifar10-images.tar.gz", kinds, count, rng)
        yield f"{lead}CIFAR-10, classes {kinds[0]} to {kinds[-1]}", small
        yield f"{lead}CIFAR-10, classes {kinds[0]} to {kinds[-1]}, in grey", in_grey(small)
        yield f"{lead}MNIST, digits {kinds[0]} to {kinds[-1]}", _mnist(real / "mnist", kinds, count, rng)
    yield f"{CHOSEN_ON}noise, even, smooth, and ramps", noise(rng, ("even", "smooth", "ramp"), 20)
    yield "noise, normal, pink, and blocks", noise(rng, ("normal", "pink", "blocks"), 20)
    yield f"{CHOSEN_ON}a page of text", [page(rng, 1) for _ in range(5)]
    yield "a page of text in columns", [page(rng, columns) for columns in (2, 3, 2, 3, 2)]
    shots = [screenshot(rng) for _ in range(10)]
    yield "screenshots", shots
    yield "screenshots, in grey", in_grey(shots)
    yield "a leg (pixels of a DICOM film)", [_leg(real / "dicom")]


def changed(films: Sequence[Image.Image], rng: np.random.Generator) -> Iterator[tuple[str, Pictures]]:
    """Films as they should not come."""
    yield "turned by 90 degrees", [film.rotate(90, expand=True) for film in films]
    yield "upside down", [film.rotate(180) for film in films]
    yield "mirrored", [ImageOps.mirror(film) for film in films]
    yield "inverted", [ImageOps.invert(film.convert("L")) for film in films]
    yield "cropped to half of each side", [crop(film, 0.5, rng) for film in films]
    yield "cropped to a quarter of each side", [crop(film, 0.25, rng) for film in films]


def in_grey(pictures: Pictures) -> Pictures:
    """The same without colour."""
    return [picture.convert("L") for picture in pictures]


def crop(film: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    """A part of a film at a place drawn at random."""
    width, height = int(film.width * share), int(film.height * share)
    left, top = (int(rng.integers(0, room + 1)) for room in (film.width - width, film.height - height))
    return film.crop((left, top, left + width, top + height))


def noise(rng: np.random.Generator, kinds: Sequence[str], each: int) -> Pictures:
    """Pictures of noise, 64 to 512 pixels."""
    return [_noise(kind, int(rng.choice([64, 224, 512])), rng) for kind in kinds for _ in range(each)]


def page(rng: np.random.Generator, columns: int) -> Image.Image:
    """A page of text, black on white."""
    picture = Image.new("L", (850, 1100), 255)
    pen, width = ImageDraw.Draw(picture), 750 // columns
    for column in range(columns):
        for top in range(60, 1040, 22):
            pen.text((50 + column * width, top), _line(rng, width), fill=0, font=ImageFont.load_default(14))
    return picture


def screenshot(rng: np.random.Generator) -> Image.Image:
    """A window with a title, a list and lines of text, in colour."""
    picture = Image.new("RGB", (1280, 800), (236, 236, 240))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    pen.rectangle((0, 0, 1280, 40), fill=tuple(int(level) for level in rng.integers(20, 90, 3)))
    pen.text((16, 10), "Report - viewer", fill="white", font=font)
    for number in range(int(rng.integers(4, 11))):
        pen.rectangle((10, 60 + number * 60, 230, 105 + number * 60), fill="white", outline=(180, 180, 190))
        pen.text((22, 72 + number * 60), f"Item {number + 1}", fill=(40, 40, 50), font=font)
    pen.rectangle((250, 60, 1260, 780), fill="white", outline=(180, 180, 190))
    for top in range(90, 740, 26):
        pen.text((270, top), _line(rng, int(rng.integers(100, 900))), fill=(60, 60, 70), font=font)
    return picture


def _line(rng: np.random.Generator, width: int) -> str:
    lengths = rng.integers(2, 10, max(width // 60, 1))
    return " ".join("".join(rng.choice(list(LETTERS), length)) for length in lengths)


def _photographs() -> Iterator[tuple[str, Pictures]]:
    import skimage
    from sklearn.datasets import load_sample_images

    files = {file.stem: file for file in (Path(skimage.__file__).parent / "data").iterdir()}
    yield f"{CHOSEN_ON}photographs", [_opened(files[name]) for name in PHOTOGRAPHS]
    samples = [Image.fromarray(sample) for sample in load_sample_images().images]
    yield "photographs", [_opened(files[name]) for name in OTHERS] + samples


def _opened(file: Path) -> Image.Image:
    with Image.open(file) as picture:
        return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _cifar(archive: Path, kinds: Sequence[int], count: int, rng: np.random.Generator) -> Pictures:
    with tarfile.open(archive) as files:
        members = sorted((one for one in files.getmembers() if one.isfile()), key=lambda one: one.name)
        names = sorted({Path(one.name).parent.name for one in members})
        wanted = [one for one in members if Path(one.name).parent.name in [names[kind] for kind in kinds]]
        drawn = [wanted[place] for place in np.sort(rng.choice(len(wanted), count, replace=False))]
        return [Image.open(io.BytesIO(files.extractfile(one).read())).convert("RGB") for one in drawn]


def _mnist(folder: Path, digits: Sequence[int], count: int, rng: np.random.Generator) -> Pictures:
    def read(name: str, skipped: int) -> np.ndarray:
        return np.frombuffer(gzip.decompress((folder / name).read_bytes()), np.uint8, offset=skipped)

    images = read("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    places = np.flatnonzero(np.isin(read("t10k-labels-idx1-ubyte.gz", 8), digits))
    return [Image.fromarray(images[place]) for place in rng.choice(places, count, replace=False)]


def _leg(folder: Path) -> Image.Image:
    import pydicom

    film = pydicom.dcmread(next(folder.glob("RG3_UNCR*")))
    levels = film.pixel_array.astype(float)
    levels = (levels - levels.min()) / np.ptp(levels)
    levels = 1 - levels if film.PhotometricInterpretation == "MONOCHROME1" else levels
    return Image.fromarray((255 * levels).astype(np.uint8))


def _noise(kind: str, side: int, rng: np.random.Generator) -> Image.Image:
    def enlarged(cells: int, how: Image.Resampling) -> Image.Image:
        return Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8)).resize((side, side), how)

    if kind == "smooth":
        return enlarged(8, Image.Resampling.BICUBIC)
    if kind == "blocks":
        return enlarged(4, Image.Resampling.NEAREST)
    levels = {
        "even": lambda: rng.integers(0, 256, (side, side)),
        "normal": lambda: np.clip(rng.normal(128, rng.uniform(10, 60), (side, side)), 0, 255),
        "ramp": lambda: np.rot90(np.tile(np.linspace(0, 255, side), (side, 1)), rng.integers(4)),
        "pink": lambda: _pink(side, rng),
    }[kind]()
    return Image.fromarray(levels.astype(np.uint8))


def _pink(side: int, rng: np.random.Generator) -> np.ndarray:
    frequencies = np.fft.fftfreq(side)
    radius = np.hypot(frequencies[:, None], frequencies[None]) + 1 / side
    levels = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) / radius).real
    return (levels - levels.min()) / np.ptp(levels) * 255
