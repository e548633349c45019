"""DICOM films: decoded as a light box shows them, or refused; and the few facts of a header that a data set needs.

Nothing personal leaves this module but in `Header`: a film is read by the tags in FILM, none of which names a person,
and pydicom, whose warnings quote values, is silenced.

A compressed film is decompressed in a process of its own with limited memory and time, since a damaged one can crash
GDCM, and a few bytes can claim gigabytes.
"""

import io
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.pixels import get_decoder, pixel_array

from pipelines import greyscale
from pipelines.errors import ImageError

MOST_PIXELS = 100_000_000
MODALITIES = ("CR", "DX", "RG")
CHEST = ("CHEST", "THORAX", "")
TERMS = (
    "CR DX RG CT MR US NM PT XA RF MG IO PX OT BI ES SC SR SEG DOC ECG FID KO PR OP OPT RTDOSE RTIMAGE RTPLAN RTSTRUCT "
    "CHEST THORAX ABDOMEN ANKLE ARM BREAST CSPINE ELBOW EXTREMITY FEMUR FOOT FOREARM HAND HEAD HIP HUMERUS KNEE LEG "
    "LSPINE NECK PELVIS SHOULDER SKULL SPINE TIBIA TSPINE WRIST "
    "MONOCHROME1 MONOCHROME2 RGB HSV CMYK ARGB YBR_FULL YBR_FULL_422 YBR_PARTIAL_422 YBR_RCT YBR_ICT"
)
# Values that may be repeated in an error; another could be anything, a name too.
KNOWN = frozenset(TERMS.split()) | {"", "PALETTE COLOR", "FOR PROCESSING", "FOR PRESENTATION"}
DEFLATED = b"1.2.840.10008.1.2.1.99"
MOST_MEMORY, MOST_SECONDS = 4 << 30, 120  # of a process that decompresses a film, in bytes and seconds
HEADER = ("PatientID", "ViewPosition", "PatientSex", "PatientAge", "Modality", "BodyPartExamined")
FILM = (
    *("Modality", "BodyPartExamined", "PresentationIntentType", "NumberOfFrames", "SamplesPerPixel"),
    *("PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"),
    *("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction", "PixelData"),
)
_ALONE = threading.RLock()  # Python's warning filters and pydicom's logger belong to all threads


@dataclass(frozen=True)
class Header:
    """What a header says of patient and film, in upper case but for the patient; None where it says nothing.

    Args:
        patient_id: as the hospital wrote it: personal.
        age: as DICOM writes it: 061Y, 018M, 003W, 010D.
    """

    patient_id: str | None = field(repr=False)
    view: str | None
    sex: str | None
    age: str | None
    modality: str | None
    body_part: str | None


def is_dicom(content: bytes) -> bool:
    """Whether the bytes are those of a DICOM file (PS3.10, 7.1)."""
    return content[128:132] == b"DICM"


def header(path: Path) -> Header:
    """Read a few facts of a DICOM file without its pixels.

    Raises:
        ImageError: the file is no DICOM file that can be read.
    """
    with _reading(path.name):
        said = dcmread(path, stop_before_pixels=True, specific_tags=list(HEADER))
        patient, *facts = (str(said.get(tag) or "").strip() or None for tag in HEADER)
    return Header(patient, *(fact and fact.upper() for fact in facts))


def decode(
    content: bytes, name: str, most_pixels: int = MOST_PIXELS, window: tuple[float, float] | None = None
) -> Image.Image:
    """Decode a film and bring it to grey levels as they are displayed.

    Args:
        content: a DICOM file.
        name: what to call it in an error.
        window: centre and width of a window to see it through in place of its own.
    Returns:
        Mode `I;16`, 0 black and 65535 white; without a VOI the darkest and brightest value span the range, and
        padding is black. Its `info` has `bits`, those stored of each pixel, and `window` (see
        `pipelines.greyscale.window`).
    Raises:
        ImageError: `unsupported` if it is no single chest radiograph for presentation of at most so many pixels,
            `truncated` if pixels are missing or damaged, `unreadable` if there are none or it cannot be parsed.
    """
    with _reading(name):
        film = _parse(content, name, most_pixels)
    pixels = _decompress(content, film, name) if _compressed(film) else _pixels(film, name)
    with _reading(name):
        shown = film if window is None else greyscale.through(film, *window)
        table = greyscale.shades(shown, pixels)
        seen_through = greyscale.window(shown, pixels)
    picture = Image.fromarray(table[pixels])
    picture.info.update(bits=film.BitsStored, window=seen_through)
    return picture


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """A block in which pydicom says nothing, and whatever it raises at bytes that it cannot parse is an ImageError."""
    logger = logging.getLogger("pydicom")
    with _ALONE, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, logger.propagate = logger.propagate, False
        try:
            yield
        except ImageError:
            raise
        except Exception:  # of any kind: pydicom has no family of errors, and their texts quote values
            raise ImageError(f"{name} is no DICOM file that can be read. Export it anew.", "unreadable") from None
        finally:
            logger.propagate = before


def _parse(content: bytes, name: str, most_pixels: int) -> Dataset:
    """The dataset of a film that may be decoded, pixels included."""
    if DEFLATED in content:  # pydicom would inflate it, to whatever size, before a word of it is known
        raise ImageError(f"{name} is deflated as a whole. Expected its pixels alone to be compressed.", "unsupported")
    head = dcmread(io.BytesIO(content), stop_before_pixels=True, specific_tags=list(FILM))
    if not (head.get("Rows") and head.get("Columns")):
        raise ImageError(f"{name} has no pixels. Expected a film.", "unreadable")
    for objection in chain(_objections_to_kind(head), _objections_to_pixels(head, most_pixels)):
        raise ImageError(f"{name} {objection}", "unsupported")
    film = dcmread(io.BytesIO(content), specific_tags=list(FILM))
    if "Rows" not in film:  # pydicom gives nothing at all where the end of compressed pixels is missing
        raise ImageError(f"{name} is truncated. Expected a whole film.", "truncated")
    if not film.get("PixelData"):
        raise ImageError(f"{name} has no pixels. Expected a film.", "unreadable")
    return film


def _objections_to_kind(film: Dataset) -> Iterator[str]:
    """Why a film is of a kind that is refused."""
    if _code(film, "Modality") not in MODALITIES:
        yield f"is of modality {_code(film, 'Modality') or 'unknown'}. Expected a radiograph: {', '.join(MODALITIES)}."
    if _code(film, "BodyPartExamined") not in CHEST:
        yield f"shows {_code(film, 'BodyPartExamined')} by its DICOM header. Expected a chest film."
    if _code(film, "PresentationIntentType") == "FOR PROCESSING":
        yield "holds raw data of the detector, for processing. Expected the film for presentation."
    if (frames := int(film.get("NumberOfFrames") or 1)) > 1:
        yield f"has {frames} frames. Expected a single picture."


def _objections_to_pixels(film: Dataset, most: int) -> Iterator[str]:
    """Why the pixels of a film are not decoded."""
    if _code(film, "PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2") or film.SamplesPerPixel != 1:
        yield f"is stored as {_code(film, 'PhotometricInterpretation') or 'unknown'}. Expected grey: MONOCHROME1 or 2."
    if film.Rows * film.Columns > most:
        yield f"has {film.Columns} x {film.Rows} pixels. Expected at most {most:,} in all."
    if film.BitsAllocated not in (8, 16) or not 0 < film.BitsStored <= film.BitsAllocated:
        yield f"stores {film.BitsStored} bits of a pixel in {film.BitsAllocated}. Expected them in 8 or 16."
    if not _can_be_undone(film):
        yield "is compressed in a way that cannot be undone here. Expected JPEG, JPEG-LS, JPEG 2000, RLE or none."


def _code(film: Dataset, tag: str) -> str:
    """A value that the standard knows, in upper case; another is not repeated."""
    text = str(film.get(tag) or "").strip().upper()
    return text if text in KNOWN else "something else"


def _can_be_undone(film: Dataset) -> bool:
    try:
        return get_decoder(film.file_meta.TransferSyntaxUID).is_available
    except NotImplementedError:
        return False


def _compressed(film: Dataset) -> bool:
    return bool(film.file_meta.TransferSyntaxUID.is_encapsulated)


def _pixels(film: Dataset, name: str) -> np.ndarray:
    """The bits of each pixel as they are stored: (rows, columns) uint8 or uint16, not yet masked."""
    plugin = "gdcm" if "gdcm" in get_decoder(film.file_meta.TransferSyntaxUID).available_plugins else ""
    native: dict[str, Any] = {} if _compressed(film) else {"view_only": True, "correct_unused_bits": False}
    with _reading(name):
        try:
            pixels = pixel_array(film, index=0, decoding_plugin=plugin, **native)
        except Exception:  # pydicom and its plugins have no family of errors
            raise ImageError(f"{name} is damaged or truncated. Expected a whole film.", "truncated") from None
    size = film.BitsAllocated // 8
    return np.ascontiguousarray(pixels, f"{pixels.dtype.kind}{size}").view(f"u{size}")


def _decompress(content: bytes, film: Dataset, name: str) -> np.ndarray:
    """The same of a compressed film, from a process that may crash."""
    command = [sys.executable, "-m", "pipelines.dicom"]
    root, environment = Path(__file__).resolve().parents[1], {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=MOST_SECONDS, check=True, cwd=root, env=environment
        )
        if b"Corrupt JPEG data" in done.stderr:  # said by libjpeg, which then fills the rest with grey
            raise ValueError
        return np.frombuffer(done.stdout, f"u{film.BitsAllocated // 8}").reshape(film.Rows, film.Columns)
    except (subprocess.SubprocessError, OSError, ValueError):
        reason = "cannot be decompressed: it is damaged, truncated or of a form that GDCM does not know"
        raise ImageError(f"{name} {reason}. Export it uncompressed.", "truncated") from None


def _limit() -> None:
    """Keep this process from taking the machine with it, and from leaving a film behind when it crashes."""
    import resource  # not on Windows

    for what, most in (
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_CPU, MOST_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))


def _answer() -> None:
    """Read a film and write its pixels: what the process of `_decompress` does."""
    with suppress(ImportError):
        _limit()
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints does not get into the answer
    with _reading("The film"):
        film = _parse(sys.stdin.buffer.read(), "The film", MOST_PIXELS)
    answer.write(_pixels(film, "The film").tobytes())
    answer.close()


if __name__ == "__main__":
    _answer()
