"""DICOM films for the tests of the service, drawn and written in milliseconds."""

import io

from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian


def dicom(pixels, syntax=ExplicitVRLittleEndian, frames=None, **tags):
    """The bytes of a chest film with these pixels, uint8 or uint16; `frames` are compressed ones in their place."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = meta.MediaStorageSOPInstanceUID = "1.2.3"
    film = FileDataset("", Dataset(), bytes(128), meta)
    bits = 8 * pixels.dtype.itemsize
    known = {"Modality": "DX", "BodyPartExamined": "CHEST", "SamplesPerPixel": 1, "PixelRepresentation": 0}
    known |= {"PhotometricInterpretation": "MONOCHROME2", "Rows": pixels.shape[0], "Columns": pixels.shape[1]}
    known |= {"BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1}
    for tag, value in (known | tags).items():
        setattr(film, tag, value)
    film.PixelData = encapsulate(frames) if frames else pixels.tobytes()
    film["PixelData"].VR = "OB" if frames else "OW"
    file = io.BytesIO()
    film.save_as(file, enforce_file_format=True)
    return file.getvalue()
