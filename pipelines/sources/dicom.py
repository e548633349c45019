"""DICOM files in class folders, or described by a table; patient, view, sex and age come from their headers.

A patient is named by a keyed hash of what the hospital calls it, so that films of one patient stay together and nobody
finds the patient by trying numbers. The names of files stay as they are.
"""

import hmac
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipelines.dicom import header
from pipelines.errors import DataError, ImageError
from pipelines.manifest import Record
from pipelines.recipe import LabelParams
from pipelines.recipe_sources import DicomSource, FolderSource
from pipelines.sources import folder
from pipelines.sources.table import years

SHORTEST_SALT = 16


def find(raw: Path, source: DicomSource, labels: LabelParams) -> Iterator[Record]:
    """Records of all films of a source, sorted by path; a file that is no DICOM file carries a fault.

    What a table says of patient, view, sex and age goes before the header. Where neither names a patient, each film is
    one.

    Raises:
        DataError: the salt is missing or too short, the folder or the table is missing or wrong, or there is no film.
    """
    salt = _salt(raw / source.salt)
    described = FolderSource(
        kind="folder",
        folder=source.folder,
        site=source.site,
        patient=None,
        classes=source.classes,
        splits=source.splits,
        table=source.table,
    )
    return (_completed(record, raw, salt) for record in folder.find(raw, described, labels))


def _salt(path: Path) -> bytes:
    salt = path.read_bytes().strip() if path.is_file() else b""
    if len(salt) < SHORTEST_SALT:
        found = f"{path} has {len(salt)} bytes" if path.is_file() else f"There is no salt {path}"
        raise DataError(
            f"{found}. Expected at least {SHORTEST_SALT} random bytes, made once and kept: "
            f'python -c "import secrets; print(secrets.token_hex(32))" > {path}'
        )
    return salt


def _completed(record: Record, raw: Path, salt: bytes) -> Record:
    """The record with what the header says, where no table said it."""
    told = record.patient_id if record.patient_id != record.path else None
    if record.fault == "row without file":
        return replace(record, patient_id=_hidden(told, salt) or record.path)
    try:
        said = header(raw / record.path)
    except ImageError as error:
        faulty = replace(record, patient_id=_hidden(told, salt) or record.path)
        return faulty if record.fault else replace(faulty, fault=error.kind, reason=str(error))
    view = record.view or said.view
    return replace(
        record,
        patient_id=_hidden(told or said.patient_id, salt) or record.path,
        view=view and view.upper(),
        sex=record.sex or said.sex,
        age=years(said.age) if record.age is None else record.age,
    )


def _hidden(patient: str | None, salt: bytes) -> str | None:
    return patient and hmac.new(salt, patient.encode(), "sha256").hexdigest()[:16]
