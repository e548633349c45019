"""Each step of PS3.4 N.2 on datasets that went through a file, against the formulas of PS3.3 C.11.

`grey(stored, ...)` gives the levels, 0 to 1, of pixels with these stored values.
"""

import io

import numpy as np
import pytest
from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from pipelines.greyscale import shades

WINDOW = {"WindowCenter": 50, "WindowWidth": 100}


def film(syntax=ExplicitVRLittleEndian, **tags):
    """A dataset without pixels as it is read from a file."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = meta.MediaStorageSOPInstanceUID = "1.2.3"
    written = FileDataset("", Dataset(), bytes(128), meta, syntax.is_implicit_VR, syntax.is_little_endian)
    bits = tags.pop("bits", 16)
    written.PhotometricInterpretation = "MONOCHROME2"
    written.BitsAllocated, written.BitsStored, written.HighBit, written.PixelRepresentation = 16, bits, bits - 1, 0
    for tag, value in tags.items():
        if isinstance(value, tuple):
            written.add_new(tag, *value)
        else:
            setattr(written, tag, value)
    file = io.BytesIO()
    written.save_as(file, enforce_file_format=True)
    file.seek(0)
    return dcmread(file)


def grey(stored, **tags):
    pixels = np.atleast_1d(np.asarray(stored)).astype(np.int64).astype(np.uint16)
    return shades(film(**tags), pixels)[pixels] / 65535


def table(entries, first=0, bits=16, kind="US", descriptor="US"):
    """A LUT; kind is the VR of its data."""
    item = Dataset()
    item.add_new("LUTDescriptor", descriptor, [len(entries) % 65536, first, bits])
    item.add_new("LUTData", kind, entries if kind == "US" else np.asarray(entries, "<u2").tobytes())
    return [item]


def test_without_a_voi_the_values_of_the_picture_span_the_range():
    assert grey([1000, 1500, 2000], bits=12) == pytest.approx([0, 0.5, 1], abs=1e-5)


def test_a_picture_of_one_value_is_black():
    assert grey([7, 7]).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("function", "levels"),
    [
        ("LINEAR", {0: 0, 25: 25 / 99, 50: 50 / 99, 99: 1, 100: 1}),
        ("LINEAR_EXACT", {0: 0, 25: 0.25, 50: 0.5, 100: 1, 101: 1}),
        ("SIGMOID", {0: 1 / (1 + np.e**2), 50: 0.5, 75: 1 / (1 + np.e**-1), 60000: 1}),
        (None, {25: 25 / 99}),
    ],
)
def test_a_window_follows_its_function(function, levels):
    found = grey(list(levels), VOILUTFunction=function, **WINDOW)
    assert found == pytest.approx(list(levels.values()), abs=1e-5)


def test_a_linear_window_of_width_one_is_a_step():
    assert grey([49, 50], WindowCenter=50, WindowWidth=1).tolist() == [0, 1]


def test_a_window_may_lie_around_zero():
    assert grey([0, 10], RescaleSlope=1, RescaleIntercept=-5, WindowCenter=0, WindowWidth=11) == pytest.approx(
        [0.05, 1], abs=1e-5
    )


def test_the_first_of_several_windows_counts():
    found = grey([25], WindowCenter=[50, 9000], WindowWidth=[100, 20], VOILUTFunction="LINEAR_EXACT")
    assert found == pytest.approx([0.25], abs=1e-5)


def test_a_window_lies_on_rescaled_values():
    found = grey([40, 50], RescaleSlope=2.5, RescaleIntercept=-75, VOILUTFunction="LINEAR_EXACT", **WINDOW)
    assert found == pytest.approx([0.25, 0.5], abs=1e-5)


def test_a_falling_rescale_turns_grey_levels_over():
    assert grey([0, 1, 4], RescaleSlope=-1, RescaleIntercept=4095) == pytest.approx([1, 0.75, 0], abs=1e-5)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_modality_table_clamps_at_its_ends(bits):
    found = grey([0, 10, 11, 13, 400], ModalityLUTSequence=table([0, 40, 60, 100], first=10, bits=bits))
    assert found == pytest.approx([0, 0, 0.4, 1, 1], abs=1e-5)


def test_a_window_lies_on_what_a_modality_table_gives():
    found = grey([11], ModalityLUTSequence=table([0, 25, 60], first=10), VOILUTFunction="LINEAR_EXACT", **WINDOW)
    assert found == pytest.approx([0.25], abs=1e-5)


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (10, 1023), (12, 4095), (16, 65535)])
@pytest.mark.parametrize("kind", ["US", "OW"])
def test_a_voi_table_spans_what_its_entries_can_hold(bits, top, kind):
    found = grey([5, 6, 9], VOILUTSequence=table([0, top // 5, top, top // 3], first=5, bits=bits, kind=kind))
    assert found == pytest.approx([0, top // 5 / top, top // 3 / top], abs=1e-5)


def test_a_voi_table_of_bytes_may_have_two_in_a_word_and_more_than_256():
    entries = np.arange(1000, dtype=np.uint16) // 4
    item = table(entries.tolist(), bits=8)
    item[0].add_new("LUTData", "OW", entries.astype(np.uint8).tobytes())
    assert grey([0, 500, 999], VOILUTSequence=item) * 255 == pytest.approx([0, 125, 249], abs=0.01)


def test_a_voi_table_of_65536_entries_says_zero():
    entries = np.arange(65536)[::-1]
    assert grey([0, 65535], VOILUTSequence=table(entries, kind="OW")).tolist() == [1, 0]


def test_a_voi_table_lies_on_rescaled_values_beyond_sixteen_bits_and_below_zero():
    found = grey(
        [0, 30001, 30002, 60000], RescaleSlope=2, RescaleIntercept=-2, VOILUTSequence=table([0, 65535], first=60000)
    )
    assert found.tolist() == [0, 0, 1, 1]


def test_a_voi_table_goes_before_a_window():
    assert grey([3], VOILUTSequence=table([65535, 0]), WindowCenter=0, WindowWidth=2).tolist() == [0]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("kind", ["US", "OW"])
def test_tables_are_read_in_every_encoding(syntax, kind):
    item = table([0, 1000, 65535], first=-2, kind=kind, descriptor="SS")
    if syntax == ExplicitVRBigEndian and kind == "OW":
        item[0].LUTData = np.array([0, 1000, 65535], ">u2").tobytes()
    found = grey([-3, -1, 0], syntax=syntax, PixelRepresentation=1, VOILUTSequence=item)
    assert found == pytest.approx([0, 1000 / 65535, 1], abs=1e-6)


def test_where_pydicom_is_right_it_says_the_same():
    stored = np.arange(4096)
    tags = {
        "ModalityLUTSequence": table((stored[::-1] * 3 + 7).tolist()),
        "VOILUTSequence": table((np.arange(9000) * 5 % 65536).tolist(), first=500),
    }
    expected = apply_voi_lut(apply_modality_lut(stored, film(**tags)), film(**tags))
    assert (grey(stored, **tags) * 65535).round().tolist() == expected.tolist()


@pytest.mark.parametrize(
    "tags", [{}, WINDOW, {"VOILUTSequence": table(list(range(0, 65000, 650)))}, {"RescaleSlope": 2, **WINDOW}]
)
def test_monochrome1_is_turned_over_after_the_voi(tags):
    stored = [0, 20, 30, 99]
    turned = grey(stored, PhotometricInterpretation="MONOCHROME1", **tags)
    assert turned == pytest.approx(1 - grey(stored, **tags), abs=1e-9)
    assert turned[0] > turned[1] > turned[2]


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", ["INVERSE", "IDENTITY"])
def test_the_presentation_shape_turns_nothing_over_again(interpretation, shape):
    stored, tags = [0, 20, 99], {"PhotometricInterpretation": interpretation, **WINDOW}
    assert grey(stored, PresentationLUTShape=shape, **tags).tolist() == grey(stored, **tags).tolist()


@pytest.mark.parametrize("bits", [10, 12, 15, 16])
def test_signed_values_are_below_zero(bits):
    lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    patterns = np.array([lowest, -1, 0, highest]) & (2**bits - 1)
    tags = {"bits": bits, "PixelRepresentation": 1}
    assert grey(patterns, **tags) == pytest.approx([0, 0.5, 0.5, 1], abs=1.1 / 2**bits)
    assert grey([lowest, highest], **tags).tolist() == [0, 1]


@pytest.mark.parametrize("bits", [10, 12, 15])
def test_bits_above_the_high_bit_are_not_part_of_the_value(bits):
    found = grey([5 | 0x8000, 5, 2**bits - 1], bits=bits, VOILUTFunction="LINEAR_EXACT", **WINDOW)
    assert found == pytest.approx([0.05, 0.05, 1], abs=1e-5)


def test_the_value_may_lie_high_in_its_word():
    assert grey([0x0000, 0x7FF7, 0xFFF1], bits=12, HighBit=15) == pytest.approx([0, 2047 / 4095, 1], abs=1e-5)


def test_eight_bits_have_256_levels():
    pixels = np.array([0, 51, 255], dtype=np.uint8)
    found = shades(film(bits=8, BitsAllocated=8), pixels)
    assert len(found) == 256
    assert found[pixels] / 65535 == pytest.approx([0, 0.2, 1])


@pytest.mark.parametrize(
    ("interpretation", "padding", "levels"),
    [("MONOCHROME2", 0, [0, 0.0, 0.5, 1]), ("MONOCHROME1", 4095, [0, 1, 0.5, 0])],
)
def test_padding_is_black_and_does_not_stretch_the_range(interpretation, padding, levels):
    tags = {"PhotometricInterpretation": interpretation, "PixelPaddingValue": padding, "bits": 12}
    assert grey([padding, 1000, 1500, 2000], **tags) == pytest.approx(levels, abs=1e-4)


@pytest.mark.parametrize("ends", [(0, 99), (99, 0)])
def test_padding_may_be_a_range(ends):
    tags = {"PixelPaddingValue": ends[0], "PixelPaddingRangeLimit": ends[1]}
    assert grey([0, 50, 99, 100, 300], **tags) == pytest.approx([0, 0, 0, 0, 1])


def test_padding_is_black_under_a_window_too():
    assert grey([4095], PixelPaddingValue=4095, bits=12, **WINDOW).tolist() == [0]
    assert grey([4095], bits=12, **WINDOW).tolist() == [1]


def test_signed_padding_may_be_written_without_its_sign():
    tags = {"PixelRepresentation": 1, "PixelPaddingValue": ("US", 63536)}
    assert grey([-2000, 0, 100], **tags).tolist() == [0, 0, 1]


def test_padding_that_no_pixel_can_have_takes_nothing_away():
    assert grey([2096, 3000], bits=12, PixelPaddingValue=63536).tolist() == [0, 1]
    assert grey([2096, 2096], bits=12, PixelPaddingValue=2096).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"WindowCenter": 50, "WindowWidth": 0}, "Window Width"),
        ({"VOILUTFunction": "CUBIC", **WINDOW}, "CUBIC"),
        ({"RescaleSlope": "nan", "RescaleIntercept": 0}, "no numbers"),
        ({"HighBit": 5, "bits": 12}, "high bit"),
        ({"HighBit": 16, "bits": 12}, "high bit"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
def test_what_has_no_meaning_is_refused(tags, says):
    with pytest.raises(ValueError, match=says):
        grey([0, 1], **tags)


@pytest.mark.parametrize("descriptor", [[9, 0, 16], [3, 0, 0], [3, 0, 17]])
def test_a_table_that_is_not_what_it_says_is_refused(descriptor):
    item = table([1, 2, 3])
    item[0].LUTDescriptor = descriptor
    with pytest.raises(ValueError, match="fewer entries"):
        grey([0], VOILUTSequence=item)
