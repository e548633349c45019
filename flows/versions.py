"""Versions of raw data: the .dvc file beside a data set says what the set holds, and by what checksums it is known."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvc.exceptions import OutputNotFoundError
from dvc.repo import Repo

from flows.strict_dvc import complete, quiet

Source = dict[str, str]


class Version:
    """What DVC knows of a data set; made in the project's folder.

    Args:
        folder: of the data set, inside the project.
    """

    def __init__(self, folder: Path) -> None:
        quiet()
        self.folder, self.file = folder, folder.with_name(folder.name + ".dvc")
        self._repo = Repo()
        meta = self._repo.stage.load_one(str(self.file)).meta if self.file.is_file() else None
        self.sources: dict[str, Source] = (meta or {}).get("files", {})

    def maker(self) -> str | None:
        """The stage whose result the data set is."""
        try:
            (out,) = self._repo.find_outs_by_path(str(self.folder))
        except OutputNotFoundError:
            return None
        return None if out.stage.is_data_source else str(out.stage.addressing)

    def unchanged(self) -> bool:
        """Whether the folder holds what the .dvc file says."""
        return self.file.is_file() and not self._repo.status([str(self.file)])

    def changed_files(self, part: Path) -> list[str]:
        """Files inside a part of the data set that changed or went since the .dvc file was written."""
        if self.unchanged():
            return []
        found = self._repo.data_status(targets=[str(self.folder)], granular=True)["uncommitted"]
        paths = [path for kind in ("modified", "deleted") for path in found.get(kind, [])]
        return [path for path in paths if Path(path).is_relative_to(part) and not path.endswith("/")]

    def keep(self, about: Mapping[str, Any], sources: dict[str, Source]) -> tuple[int, int]:
        """Give the data set as it is now to DVC, and write into the .dvc file what it is and where it comes from.

        Args:
            about: what the .dvc file shall say under `meta`, beside `files`.
            sources: the checksums of each file of the publisher.
        Returns:
            number of files, and bytes.
        Raises:
            DvcException: DVC cannot keep it.
        """
        with complete():
            (stage,) = self._repo.add(str(self.folder))
        stage.meta, self.sources = {**about, "files": sources}, sources
        stage.dump()
        (out,) = stage.outs
        return out.meta.nfiles, out.meta.size
