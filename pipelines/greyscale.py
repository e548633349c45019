"""Grey levels of DICOM films: from what is stored to what a light box shows.

The way is that of PS3.4 N.2: stored value, modality LUT (PS3.3 C.11.1), VOI LUT or window (C.11.2), and the inversion
of MONOCHROME1 (C.7.6.3.1.2). It is gone once for every value that a pixel can have, not for every pixel.

PresentationLUTShape INVERSE names that same inversion: C.8.11.3.1.2 demands it of MONOCHROME1 and IDENTITY of
MONOCHROME2. So PhotometricInterpretation, which every image has, decides alone.
"""

import numpy as np
from pydicom import Dataset
from pydicom.pixels import apply_windowing

WHITE = 65535


def shades(film: Dataset, pixels: np.ndarray) -> np.ndarray:
    """Grey level of each pattern of bits that a pixel can have.

    Args:
        film: the dataset.
        pixels: patterns of bits as they are stored, any shape, uint8 or uint16; without a VOI, the darkest and the
            brightest value among them span the range.
    Returns:
        (2 ** bits allocated,) uint16, 0 black and 65535 white; what is padding is black.
    Raises:
        ValueError: the header says what has no meaning.
    """
    stored = _stored(film)
    padding = _padding(film, stored)
    values = _modality(film, stored)
    if not np.isfinite(values).all():
        raise ValueError("The modality LUT gives values that are no numbers.")
    unit = _voi(film, values)
    if unit is None:
        shown = np.zeros(len(stored), dtype=bool)
        shown[pixels] = True
        unit = _stretched(values, shown & ~padding)
    grey = np.rint(WHITE * unit).astype(np.uint16)
    if str(film.PhotometricInterpretation).strip().upper() == "MONOCHROME1":
        grey = WHITE - grey
    grey[padding] = 0
    return grey


def window(film: Dataset, pixels: np.ndarray) -> tuple[float, float, float, float]:
    """The window through which a film is shown, and what could be seen through others.

    Args:
        pixels: as for `shades`.
    Returns:
        Centre and width of the first window of the header, or of one over all values where it has a table or nothing;
        the lowest and the highest value of the film, padding aside. All in the units of the modality LUT.
    """
    stored = _stored(film)
    shown = np.zeros(len(stored), dtype=bool)
    shown[pixels] = True
    values = _modality(film, stored)[shown & ~_padding(film, stored)]
    lowest, highest = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    if film.get("VOILUTSequence") or film.get("WindowCenter") is None or film.get("WindowWidth") is None:
        return (lowest + highest) / 2, max(highest - lowest, 1.0), lowest, highest
    centre, width = (np.atleast_1d(film[tag].value)[0] for tag in ("WindowCenter", "WindowWidth"))
    return float(centre), float(width), lowest, highest


def through(film: Dataset, centre: float, width: float) -> Dataset:
    """The same film, to be shown through another window (PS3.3 C.11.2.1.2), its table and its own windows aside."""
    other = Dataset({element.tag: element for element in film})
    for tag in ("VOILUTSequence", "VOILUTFunction"):
        other.pop(tag, None)
    other.WindowCenter, other.WindowWidth = centre, width
    return other


def _stored(film: Dataset) -> np.ndarray:
    """The number that each pattern of bits means: those up to HighBit, signed as PixelRepresentation says."""
    patterns = np.arange(2**film.BitsAllocated, dtype=np.int64)
    unused = film.get("HighBit", film.BitsStored - 1) + 1 - film.BitsStored
    if not 0 <= unused <= film.BitsAllocated - film.BitsStored:
        raise ValueError("The high bit lies outside the bits of a pixel.")
    values = patterns >> unused & (2**film.BitsStored - 1)
    sign = 2 ** (film.BitsStored - 1)
    return (values ^ sign) - sign if film.PixelRepresentation else values


def _padding(film: Dataset, stored: np.ndarray) -> np.ndarray:
    """Which stored values are no part of the picture (PS3.3 C.7.5.1.1.2)."""
    first = film.get("PixelPaddingValue")
    if first is None:
        return np.zeros(len(stored), dtype=bool)
    last = film.get("PixelPaddingRangeLimit", first)
    kind = np.int16 if film.PixelRepresentation else np.uint16  # some write it with the other sign
    ends = np.array([first & 0xFFFF, last & 0xFFFF], dtype=np.uint16).view(kind)
    return (stored >= ends.min()) & (stored <= ends.max())


def _modality(film: Dataset, stored: np.ndarray) -> np.ndarray:
    """What the detector measured (PS3.3 C.11.1): float64."""
    if table := film.get("ModalityLUTSequence"):
        return _look_up(stored, table[0])[0].astype(np.float64)
    slope, intercept = film.get("RescaleSlope"), film.get("RescaleIntercept")
    return stored * float(1 if slope is None else slope) + float(intercept or 0)


def _voi(film: Dataset, values: np.ndarray) -> np.ndarray | None:
    """The values of interest from 0 to 1 (PS3.3 C.11.2), by table or by the first window; None if there is neither."""
    if table := film.get("VOILUTSequence"):
        entries, highest = _look_up(values, table[0])
        return entries / highest
    if film.get("WindowCenter") is not None and film.get("WindowWidth") is not None:
        view = Dataset()
        view.PhotometricInterpretation, view.PixelRepresentation, view.BitsStored = "MONOCHROME2", 0, 16
        view.VOILUTFunction = film.get("VOILUTFunction") or "LINEAR"
        view["WindowCenter"], view["WindowWidth"] = film["WindowCenter"], film["WindowWidth"]
        with np.errstate(over="ignore"):  # far below a sigmoid's centre its exponential is infinite, and the level 0
            return apply_windowing(values, view) / WHITE
    return None


def _stretched(values: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The values from 0 to 1, lowest to highest of those that are shown."""
    lowest, highest = (values[shown].min(), values[shown].max()) if shown.any() else (0, 0)
    return np.clip((values - lowest) / (highest - lowest), 0, 1) if highest > lowest else np.zeros(len(values))


def _look_up(values: np.ndarray, table: Dataset) -> tuple[np.ndarray, int]:
    """Entries of a LUT at some values, and the highest entry that it may have.

    pydicom's own gives wrong entries where a table of 8 bits has more than 256 of them or values exceed 65535, and
    takes modality tables of 8 and 16 bits alone.
    """
    count, first, bits = table.LUTDescriptor
    count = count & 0xFFFF or 65536
    data = table.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, ">u2" if table.original_encoding[1] is False else "<u2")
    entries = np.atleast_1d(np.asarray(data, dtype="<u2"))
    if bits <= 8 and len(entries) < count:
        entries = entries.view(np.uint8)  # two entries in a word
    if len(entries) < count or not 0 < bits <= 16:
        raise ValueError("A table has fewer entries than it says, or none that it can hold.")
    places = np.clip(np.rint(values).astype(np.int64) - first, 0, count - 1)
    return np.minimum(entries[:count][places], 2**bits - 1), 2**bits - 1
