"""Where a training run leaves its state, so that a killed run goes on and a finished one is not repeated.

A checkpoint counts only under the key that it was written with: the key follows from data, numbers and code.
"""

import json
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.stage import fresh_file

FILE = "checkpoint.npz"
TOLD, KEY = "told", "key"
BUSY_SHARE = 0.05  # of the time may go into writing


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run: arrays by name, and what else is to be told, as JSON can hold it."""

    arrays: dict[str, np.ndarray]
    told: dict[str, Any]


class Checkpoints:
    """The newest checkpoint of one run, in a folder of its own.

    Args:
        folder: made when the first checkpoint is written.
        key: of the run.
        every: seconds between two checkpoints at least, more where writing one takes long; 0 for one at every step.
    """

    def __init__(self, folder: Path, key: str, every: float) -> None:
        self.folder, self.key, self.every = folder, key, every
        self._last, self._cost = time.monotonic(), 0.0

    def load(self) -> Checkpoint | None:
        """The newest checkpoint, if this run wrote it; a damaged one is none."""
        try:
            with (self.folder / FILE).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                if file[KEY].item() != self.key:
                    return None
                arrays = {name[1:]: file[name] for name in file.files if name.startswith("/")}
                return Checkpoint(arrays, json.loads(file[TOLD].item()))
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def due(self) -> bool:
        """Whether it is time for another one."""
        if not self.every:
            return True
        return time.monotonic() - self._last >= max(self.every, self._cost / BUSY_SHARE)

    def save(self, arrays: dict[str, np.ndarray], told: dict[str, Any]) -> None:
        """Write a checkpoint in the place of the last one."""
        started = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        named: dict[str, Any] = {KEY: np.array(self.key), TOLD: np.array(json.dumps(told))}
        named |= {f"/{name}": array for name, array in arrays.items()}
        with fresh_file(self.folder / FILE) as beside, beside.open("wb") as file:
            np.savez(file, **named)
        self._last = time.monotonic()
        self._cost = self._last - started
