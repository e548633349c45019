"""The page as a customer of a real service: a release of a tiny model, served over HTTP."""

import io

import numpy as np
import pytest
from playwright.sync_api import expect
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

SOON = 20_000


@pytest.fixture(scope="module")
def address(start_page, served):
    return start_page(served.url)


def dicom(pixels):
    """The bytes of a DICOM film of 12 bits, shown through a window about 1500."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    film.SOPClassUID, film.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    film.Modality, film.PhotometricInterpretation, film.SamplesPerPixel = "DX", "MONOCHROME2", 1
    film.Rows, film.Columns = pixels.shape
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    film.WindowCenter, film.WindowWidth = 1500, 1000
    film.PixelData = pixels.astype(np.uint16).tobytes()
    file = io.BytesIO()
    film.save_as(file, enforce_file_format=True)
    return file.getvalue()


def test_a_film_is_answered_and_shown_in_its_own_shape(look, put, address, as_png, rng):
    tab = look(address)
    put(tab, {"film.png": as_png(rng.integers(150, 256, (90, 120), dtype=np.uint8)), "text.png": b"a text file"})
    expect(tab.locator(".fg-answer")).to_contain_text("Positive: PNEUMONIA", timeout=SOON)
    heat = tab.locator("img.heat")
    expect(heat).to_be_visible()
    assert heat.evaluate("picture => picture.naturalWidth / picture.naturalHeight") == pytest.approx(4 / 3)
    tab.get_by_role("button", name="Film 2 of 2").click()
    expect(tab.get_by_role("alert")).to_contain_text("no picture that can be read", timeout=SOON)


@pytest.mark.slow
def test_a_dicom_film_is_seen_through_another_window(look, put, address):
    tab = look(address)
    put(tab, {"IM0001": dicom(np.tile(np.linspace(0, 4095, 120), (90, 1)))})
    center, width = (tab.get_by_role("slider", name=f"Window {name}") for name in ("centre", "width"))
    expect(center).to_have_value("1500", timeout=SOON)
    expect(width).to_have_value("1000")
    answer = tab.locator(".fg-figure strong").inner_text()
    before = tab.locator("img.film").first.get_attribute("src")
    width.fill("4000")
    expect(tab.locator("img.film").first).not_to_have_attribute("src", before, timeout=SOON)
    expect(width).to_have_value("4000")
    assert tab.locator(".fg-figure strong").inner_text() == answer


def test_the_model_says_how_it_was_tested_and_offers_examples(look, address):
    tab = look(address)
    tab.get_by_text("About this model, and on whom it was tested").click()
    expect(tab.get_by_role("row", name="Test films, put aside before training")).to_contain_text(
        "0.950 (0.900 to 0.980)"
    )
    expect(tab.locator(".fg-about")).to_contain_text("People who develop or examine the chain.")
    tab.get_by_role("button", name="Try the example").first.click()
    expect(tab.locator(".fg-facts")).to_contain_text("Label of this exampleNORMAL", timeout=SOON)
