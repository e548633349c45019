"""Uploads that no film is: drawn from a seed, of every kind that a careless or a hostile client sends."""

import gzip
import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image
from pydicom.uid import JPEG2000Lossless, RLELossless

from benchmarks.load import form
from tests.serving.dicom_films import dicom

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
SCRIPTS = (
    b"#!/bin/sh\nrm -rf /\n",
    b"<?php system($_GET[0]); ?>",
    b"<script>alert(1)</script>",
    b"MZ\x90\x00" + bytes(99),
)
COMPRESSED_SHARE = 0.01  # each of these costs a process


def uploads(count, seed=0):
    """So many requests: path, body and content type of each."""
    rng = np.random.default_rng(seed)
    films = whole_films(rng)
    makers = [
        truncated,
        mutated,
        spliced,
        bomb,
        huge,
        foreign,
        scripted,
        broken_dicom,
        noise,
        broken_form,
        wrong_fields,
    ]
    for number in range(count):
        path = ("/predict", "/explain", "/predict_batch")[number % 3]
        maker = makers[rng.integers(len(makers))]
        if rng.random() < COMPRESSED_SHARE:
            maker = broken_compressed
        made = maker(films, rng)
        body, kind = made if isinstance(made, tuple) else form(made, "images" if path.endswith("batch") else "image")
        yield path, body, kind


def whole_films(rng):
    """One film of each kind that is taken."""
    levels = rng.integers(0, 256, (48, 64), dtype=np.uint8)
    pictures = {"PNG": Image.fromarray(levels), "JPEG": Image.fromarray(levels), "TIFF": Image.fromarray(levels)}
    pictures |= {"WEBP": Image.fromarray(levels), "BMP": Image.fromarray(levels), "GIF": Image.fromarray(levels)}
    films = {"DICOM": dicom(levels.astype(np.uint16))}
    for kind, picture in pictures.items():
        file = io.BytesIO()
        picture.save(file, kind)
        films[kind] = file.getvalue()
    return films


def any_film(films, rng):
    return films[sorted(films)[rng.integers(len(films))]]


def truncated(films, rng):
    film = any_film(films, rng)
    return film[: rng.integers(len(film))]


def mutated(films, rng):
    film = bytearray(any_film(films, rng))
    for place in rng.integers(len(film), size=rng.integers(1, 40)):
        film[place] = rng.integers(256)
    return bytes(film)


def spliced(films, rng):
    first, second = any_film(films, rng), any_film(films, rng)
    return first[: rng.integers(len(first))] + second[rng.integers(len(second)) :]


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, bits, colour, pixels, *others):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(others) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def bomb(films, rng):
    """A few bytes that unfold to megabytes: pixels, text chunks, profiles."""
    blank = zlib.compress(bytes(20 * 2**20), 9)
    text = chunk(b"zTXt", b"a\x00\x00" + blank)
    profile = chunk(b"iCCP", b"a\x00\x00" + blank)
    kind = rng.integers(4)
    if kind == 0:
        return png(64, 64, 8, 0, blank)
    if kind == 1:
        return png(64, 64, 8, 0, zlib.compress(bytes(65 * 64)), text, text)
    if kind == 2:
        return png(64, 64, 8, 0, zlib.compress(bytes(65 * 64)), profile)
    return gzip.compress(bytes(2**20))


def huge(films, rng):
    """A header that promises any size, of PNG, GIF, BMP, TIFF, or a DICOM film."""
    width, height = (int(side) for side in 2 ** rng.integers(8, 31, 2))
    kind = rng.integers(4)
    if kind == 0:
        return png(width, height, (1, 2, 4, 8, 16)[rng.integers(5)], (0, 2, 3, 4, 6)[rng.integers(5)], b"x")
    if kind == 1:
        return b"GIF89a" + struct.pack("<HH", width % 65536, height % 65536) + bytes(20)
    if kind == 2:
        return b"BM" + struct.pack("<IHHIIIIHHIIIIII", 99, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 1, 1, 0, 0)
    return dicom(np.zeros((8, 8), np.uint8), Rows=65535, Columns=65535)


def foreign(films, rng):
    """Files of other kinds under a film's name."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../../film.png", films["PNG"])
    others = (
        archive.getvalue(),
        SVG,
        b"%PDF-1.7\n" + bytes(99),
        b"",
        bytes(2000),
        b"\xff\xd8\xff",
        b"RIFF\0\0\0\0WEBP",
    )
    return others[rng.integers(len(others))]


def scripted(films, rng):
    return SCRIPTS[rng.integers(len(SCRIPTS))]


def noise(films, rng):
    return rng.bytes(int(rng.integers(1, 5000)))


def broken_dicom(films, rng):
    """A film whose header lies: sizes, bits, frames, tables, windows, modality."""
    lies = (
        {"Rows": 0},
        {"Columns": 64000},
        {"BitsStored": 17},
        {"BitsAllocated": 32},
        {"HighBit": 3},
        {"NumberOfFrames": 9},
        {"Modality": "MR"},
        {"SamplesPerPixel": 3},
        {"PhotometricInterpretation": "RGB"},
        {"WindowCenter": "1e300", "WindowWidth": "0"},
        {"RescaleSlope": "1e200", "RescaleIntercept": "-1e300"},
        {"PixelPaddingValue": 65535, "PixelPaddingRangeLimit": 0},
        {"BodyPartExamined": "LEG"},
    )
    film = dicom(rng.integers(0, 99, (12, 10)).astype(np.uint16), **lies[rng.integers(len(lies))])
    return film[: rng.integers(len(film))] if rng.random() < 0.3 else film


def broken_compressed(films, rng):
    """Compressed pixels that are none."""
    syntax = (JPEG2000Lossless, RLELossless)[rng.integers(2)]
    return dicom(np.zeros((64, 64), np.uint8), syntax, [rng.bytes(int(rng.integers(2, 200)))])


def broken_form(films, rng):
    """Forms that are none, or not the one that they say they are."""
    body, kind = form(any_film(films, rng))
    cut = int(rng.integers(len(body)))
    others = (
        (body[:cut], kind),
        (body, "multipart/form-data"),
        (body, "multipart/form-data; boundary=other"),
        (body, "multipart/form-data; boundary=" + "b" * 300),
        (body, "application/json"),
        (b"", kind),
        (b"--filmgate\r\n" * 50, kind),
        (b'--filmgate\r\nContent-Disposition: form-data; name="' + b"n" * 20_000 + b'"\r\n\r\nx\r\n--filmgate--', kind),
        (b"--filmgate\r\nContent-Disposition: x\r\n\r\nx\r\n--filmgate--\r\n", kind),
    )
    return others[rng.integers(len(others))]


def wrong_fields(films, rng):
    """A sound film with fields that say nonsense."""
    values = ("nan", "-1", "1e999", "\x00", "🫁", "9" * 500, "0.5; DROP TABLE", "")
    names = ("opacity", "size", "window_center", "window_width")
    texts = {names[place]: values[rng.integers(len(values))] for place in rng.integers(len(names), size=2)}
    return form(any_film(films, rng), ("image", "images", "film", "image[]")[rng.integers(4)], **texts)
