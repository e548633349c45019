import io
import logging
import os
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from pipelines.dicom import MOST_PIXELS, Header, decode, header, is_dicom
from pipelines.errors import ImageError

REAL = Path(os.environ.get("FILMGATE_REAL_DATA", "nowhere")) / "dicom"
real = pytest.mark.skipif(not REAL.is_dir(), reason="FILMGATE_REAL_DATA names no folder with real DICOM films")
# 64 x 64 pixels of level 97, as GDCM encodes them without loss
HEAD = bytes.fromhex("000b080040004001011100")
TAIL = {
    JPEGLosslessSV1: bytes.fromhex("ffc4001500010100000000000000000000000000000005ffda0008010100010000")
    + bytes([0x80, *[0] * 511, 0x03, 0xFF, 0xD9]),
    JPEGLSLossless: bytes.fromhex("ffda0008010100000000000001c095ff7fff7fff7fff7f3fff7fff7fff7fff7fff7f80ffd9"),
}


@pytest.fixture
def levels(rng):
    return rng.integers(0, 4096, (40, 30), dtype=np.uint16)


def written(pixels=None, syntax=ExplicitVRLittleEndian, frames=None, drop=(), **tags):
    """The bytes of a DICOM film of 12 bits; `frames` are compressed pixels, `drop` names tags to leave out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = meta.MediaStorageSOPInstanceUID = "1.2.3"
    film = FileDataset("", Dataset(), bytes(128), meta, syntax.is_implicit_VR, syntax.is_little_endian)
    height, width = np.shape(pixels) if pixels is not None else (40, 30)
    size = np.asarray(pixels).dtype.itemsize if pixels is not None else 2
    known = {"Modality": "DX", "BodyPartExamined": "CHEST", "SamplesPerPixel": 1, "Rows": height, "Columns": width}
    known |= {"PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 8 * size, "BitsStored": min(12, 8 * size)}
    known |= {"HighBit": min(12, 8 * size) - 1, "PixelRepresentation": 0}
    for tag, value in (known | tags).items():
        if tag not in drop:
            setattr(film, tag, value)
    if "PixelData" not in drop and pixels is not None:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        film.PixelData = encapsulate(frames) if frames else pixels.astype(f"{order}u{size}").tobytes()
        film["PixelData"].VR = "OB" if frames else "OW"
    file = io.BytesIO()
    film.save_as(file, enforce_file_format=True)
    return file.getvalue()


def plain(pixels):
    """What a film of 12 bits without a VOI must become."""
    low, high = int(pixels.min()), int(pixels.max())
    return np.rint((pixels.astype(float) - low) / (high - low) * 65535)


def refused(content):
    with pytest.raises(ImageError) as caught:
        decode(content, "a.dcm")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("a.dcm ")
    return caught.value


def test_a_dicom_file_is_known_by_its_preamble(levels, as_png):
    assert is_dicom(written(levels))
    assert not is_dicom(as_png(np.zeros((99, 99), np.uint8)))
    assert not is_dicom(b"DICM")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_film_becomes_sixteen_bit_grey(levels, syntax):
    film = decode(written(levels, syntax), "a.dcm")
    assert (film.mode, film.size, film.info["bits"]) == ("I;16", (30, 40), 12)
    assert np.array_equal(film, plain(levels))


@pytest.mark.parametrize("stored", [10, 15, 16])
def test_the_bits_that_are_stored_are_told(levels, stored):
    assert decode(written(levels & 1023, BitsStored=stored, HighBit=stored - 1), "a.dcm").info["bits"] == stored


def test_a_window_and_the_inversion_are_applied(levels):
    tags = {"WindowCenter": 2000, "WindowWidth": 1000, "VOILUTFunction": "LINEAR_EXACT"}
    film = decode(written(levels, PhotometricInterpretation="MONOCHROME1", **tags), "a.dcm")
    window = np.clip((levels.astype(float) - 2000) / 1000 + 0.5, 0, 1)
    assert np.allclose(film, (1 - window) * 65535, atol=0.51)


def test_a_film_of_odd_length_and_bytes_is_read(rng):
    pixels = rng.integers(0, 256, (5, 7), dtype=np.uint8)
    assert np.array_equal(decode(written(pixels), "a.dcm"), plain(pixels))


@pytest.mark.parametrize("representation", [0, 1])
def test_jpeg_2000_is_decompressed(levels, representation):
    deep = io.BytesIO()
    Image.fromarray(levels).save(deep, "JPEG2000", no_jp2=True)
    tags = {"BitsStored": 16, "HighBit": 15, "PixelRepresentation": representation}
    film = decode(written(levels, JPEG2000Lossless, [deep.getvalue()], **tags), "a.dcm")
    assert film.info["bits"] == 16
    assert np.array_equal(film, plain(levels))


def test_jpeg_is_decompressed(rng):
    pixels = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    film = decode(written(pixels, JPEGBaseline8Bit, [file.getvalue()]), "a.dcm")
    assert np.abs(np.asarray(film) / 257 - pixels).max() < 4


def test_run_lengths_are_decompressed(levels):
    content = dcmread(io.BytesIO(written(levels)))
    content.compress(RLELossless)
    file = io.BytesIO()
    content.save_as(file)
    assert np.array_equal(decode(file.getvalue(), "a.dcm"), plain(levels))


def lossless(syntax, height=64):
    marker = {JPEGLosslessSV1: b"\xff\xc3", JPEGLSLossless: b"\xff\xf7"}[syntax]
    return b"\xff\xd8" + marker + HEAD[:3] + height.to_bytes(2, "big") + HEAD[5:] + TAIL[syntax]


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless])
def test_lossless_jpeg_is_decompressed(syntax):
    tags = {"WindowCenter": 128, "WindowWidth": 255, "VOILUTFunction": "LINEAR_EXACT"}
    film = decode(written(np.zeros((64, 64), np.uint8), syntax, [lossless(syntax)], **tags), "a.dcm")
    assert set(np.unique(film)) == {round((97 - 128 + 127.5) / 255 * 65535)}


def test_pixels_that_crash_the_decoder_are_refused_by_one_that_lives():
    content = written(np.zeros((64, 64), np.uint8), JPEGLSLossless, [lossless(JPEGLSLossless, height=60000)])
    assert refused(content).kind == "truncated"


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"NumberOfFrames": 2}, "has 2 frames"),
        ({"Modality": "MR"}, "is of modality MR. Expected a radiograph: CR, DX, RG"),
        ({"Modality": "OT", "drop": ["SamplesPerPixel", "BitsStored"]}, "is of modality OT"),
        ({"drop": ["Modality"]}, "is of modality unknown"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "raw data of the detector"),
        ({"PhotometricInterpretation": "RGB"}, "is stored as RGB. Expected grey"),
        ({"SamplesPerPixel": 3}, "Expected grey"),
        ({"Rows": 20000, "Columns": 5001}, "has 5001 x 20000 pixels. Expected at most 100,000,000"),
        ({"BodyPartExamined": "LEG"}, "shows LEG by its DICOM header. Expected a chest film"),
        ({"BitsAllocated": 32}, "stores 12 bits of a pixel in 32"),
        ({"BitsStored": 17}, "stores 17 bits of a pixel in 16"),
    ],
)
def test_another_kind_of_picture_is_refused(levels, tags, says):
    fault = refused(written(levels, **tags))
    assert fault.kind == "unsupported"
    assert says in str(fault)


@pytest.mark.parametrize("part", ["Chest", "thorax ", None, ""])
@pytest.mark.parametrize("modality", ["CR", "DX", "RG"])
@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_every_radiograph_of_a_chest_is_taken(levels, part, modality):
    tags = {"BodyPartExamined": part, "Modality": modality, "PresentationIntentType": "FOR PRESENTATION"}
    assert decode(written(levels, NumberOfFrames=1, **tags), "a.dcm").size == (30, 40)


def test_the_limit_of_pixels_is_that_of_pictures():
    assert MOST_PIXELS == 100_000_000


@pytest.mark.parametrize("syntax", [HTJ2KLossless, DeflatedExplicitVRLittleEndian])
def test_another_compression_is_refused(levels, syntax):
    frames = [bytes(20)] if syntax == HTJ2KLossless else None
    assert refused(written(levels, syntax, frames)).kind == "unsupported"


def test_a_film_without_pixels_is_unreadable(levels):
    assert refused(written(levels, drop=["PixelData"])).kind == "unreadable"
    assert refused(written(levels, drop=["Rows"])).kind == "unreadable"


@pytest.mark.parametrize("drop", ["BitsStored", "PixelRepresentation", "PhotometricInterpretation", "SamplesPerPixel"])
def test_a_film_that_does_not_say_what_its_pixels_are_is_refused(levels, drop):
    assert refused(written(levels, drop=[drop])).kind in ("unreadable", "unsupported", "truncated")


def test_a_window_without_a_width_is_refused(levels):
    assert refused(written(levels, WindowCenter=5, WindowWidth=0)).kind == "unreadable"


def test_a_film_cut_in_its_pixels_is_truncated(levels):
    fault = refused(written(levels)[:-100])
    assert (fault.kind, str(fault)) == ("truncated", "a.dcm is damaged or truncated. Expected a whole film.")


@pytest.mark.parametrize("where", ["file", "frame"])
def test_a_compressed_film_that_is_cut_is_truncated(levels, where):
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG2000", no_jp2=True)
    frame = file.getvalue()[: -len(file.getvalue()) // 2 if where == "frame" else None]
    content = written(levels, JPEG2000Lossless, [frame], BitsStored=16, HighBit=15)
    assert refused(content[:-200] if where == "file" else content).kind == "truncated"


def test_a_jpeg_that_ends_early_is_truncated_not_a_grey_half():
    whole = lossless(JPEGLosslessSV1)
    frame = whole[: len(whole) // 2] + b"\xff\xd9"
    assert refused(written(np.zeros((64, 64), np.uint8), JPEGLosslessSV1, [frame])).kind == "truncated"


def test_damage_anywhere_is_an_image_error_or_a_film(levels):
    content = written(levels, WindowCenter=5, WindowWidth=7, RescaleSlope=1, RescaleIntercept=0, PixelPaddingValue=3)
    dice = random.Random(0)
    refusals = 0
    for _ in range(300):
        damaged = bytearray(content[: dice.choice([len(content), dice.randrange(132, len(content))])])
        for _ in range(dice.choice([0, 1, 5])):
            damaged[dice.randrange(132, min(len(damaged), 900)) if len(damaged) > 133 else 132] = dice.randrange(256)
        try:
            assert decode(bytes(damaged), "a.dcm").mode == "I;16"
        except ImageError:
            refusals += 1
    assert 100 < refusals < 300


SECRETS = {
    "PatientName": "Doe^Jane\\Roe^Rita=x=y=z=w",
    "PatientID": "SECRET-" + "7" * 80,
    "PatientBirthDate": "SECRETDAY",
    "InstitutionName": "SECRET" * 20,
    "AccessionNumber": "SECRET-NUMBER-TOO-LONG-FOR-ITS-KIND",
    "ReferringPhysicianName": "SECRET^" * 9,
    "StudyInstanceUID": "SECRET.UID",
    "PatientAge": "SECRETAGE",
    "PatientSex": "SECRET sex that is far too long",
    "SpecificCharacterSet": "SECRETSET",
    "BodyPartExamined": "secret; of Jane Doe",
}


@pytest.fixture
def personal(levels):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return written(levels, **SECRETS)


def test_pydicom_would_tell(personal, caplog):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        str(dcmread(io.BytesIO(personal)))
    assert "SECRET" in caplog.text


@pytest.mark.parametrize("cut", [0, 100])
def test_nothing_personal_leaves_a_film(personal, cut, caplog, capfd, recwarn):
    with caplog.at_level(logging.DEBUG):
        fault = refused(personal[: len(personal) - cut])
    said = f"{fault} {caplog.text} {capfd.readouterr()} {[str(warning.message) for warning in recwarn]}"
    assert "something else by its DICOM header" in said
    assert "secret" not in said.lower()
    assert "Jane" not in said


def test_what_fails_in_pydicom_is_not_told(levels, caplog, capfd, recwarn):
    with caplog.at_level(logging.DEBUG):
        fault = refused(written(levels[:20], Rows=40, StudyDescription="SECRET"))
    assert fault.kind == "truncated"
    assert not caplog.records
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_pydicom_may_speak_again_afterwards(levels):
    decode(written(levels), "a.dcm")
    assert logging.getLogger("pydicom").propagate


def test_a_header_is_read_in_silence_and_does_not_show_the_patient(personal, tmp_path, caplog, capfd, recwarn):
    (tmp_path / "a.dcm").write_bytes(personal)
    said = header(tmp_path / "a.dcm")
    assert said.patient_id == SECRETS["PatientID"]
    assert SECRETS["PatientID"] not in repr(said)
    assert not caplog.records
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_a_header_tells_patient_and_film(levels, tmp_path):
    tags = {"PatientID": " x7 ", "ViewPosition": "pa", "PatientSex": "F", "PatientAge": "061Y", "BodyPartExamined": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (tmp_path / "a.dcm").write_bytes(written(levels, **tags))
    assert header(tmp_path / "a.dcm") == Header("x7", "PA", "F", "061Y", "DX", None)


def test_a_header_needs_no_pixels(levels, tmp_path):
    (tmp_path / "a.dcm").write_bytes(written(levels)[:-500])
    assert header(tmp_path / "a.dcm") == Header(None, None, None, None, "DX", "CHEST")


@pytest.mark.parametrize("content", [b"", b"text", bytes(500)])
def test_a_header_of_another_file_is_an_image_error(tmp_path, content):
    (tmp_path / "a.dcm").write_bytes(content)
    with pytest.raises(ImageError, match=r"^a\.dcm is no DICOM file that can be read") as caught:
        header(tmp_path / "a.dcm")
    assert caught.value.kind == "unreadable"


@pytest.fixture(scope="module")
def chest():
    return decode((REAL / "RG1_UNCR.dcm").read_bytes(), "RG1_UNCR.dcm")


@real
@pytest.mark.real
def test_a_real_film_is_upright_and_its_lungs_are_dark(chest):
    assert (chest.mode, chest.size, chest.info["bits"]) == ("I;16", (1841, 1955), 15)
    film = np.asarray(chest) / 65535
    height, width = film.shape

    def mean(top, bottom, left, right):
        return film[int(top * height) : int(bottom * height), int(left * width) : int(right * width)].mean()

    lungs = (mean(0.2, 0.35, 0.18, 0.35), mean(0.2, 0.33, 0.62, 0.78))
    below, middle = mean(0.8, 0.95, 0.2, 0.4), mean(0.2, 0.6, 0.47, 0.53)
    shoulders = (mean(0.2, 0.4, 0, 0.06), mean(0.2, 0.4, 0.94, 1))
    assert max(lungs) + 0.15 < min(below, middle, *shoulders)
    assert mean(0.5, 0.7, 0.55, 0.7) > mean(0.2, 0.33, 0.62, 0.78) + 0.1  # the heart


@real
@pytest.mark.real
def test_a_real_film_is_the_same_when_compressed_without_loss(chest):
    assert np.array_equal(decode((REAL / "RG1_J2KR.dcm").read_bytes(), "RG1_J2KR.dcm"), chest)


@real
@pytest.mark.real
def test_a_real_leg_is_refused():
    with pytest.raises(ImageError, match=r"^RG3_UNCR\.dcm shows EXTREMITY by its DICOM header") as caught:
        decode((REAL / "RG3_UNCR.dcm").read_bytes(), "RG3_UNCR.dcm")
    assert caught.value.kind == "unsupported"
