"""What a person sees while a model trains: a bar on a terminal, a line an epoch, and curves that grow (DVCLive)."""

import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm


class Progress:
    """Tells of a run; it changes nothing.

    Args:
        live: folder for DVCLive's curves, or None for none.
        resumed: whether the run goes on from a checkpoint.
    """

    def __init__(self, live: Path | None, resumed: bool = False) -> None:
        self._live = _open(live, resumed) if live else None
        self._bar: Any = None
        self._images, self._seconds, self._since = 0, 0.0, 0.0

    def begin(self, caption: str, images: int, done: int = 0) -> None:
        """An epoch begins, or goes on after `done` of its images."""
        self._images, self._since = 0, time.monotonic()
        self._bar = tqdm(
            total=images,
            initial=done,
            desc=caption,
            unit=" images",
            file=sys.stdout,
            disable=not sys.stdout.isatty(),
            leave=False,
            dynamic_ncols=True,
        )

    def advance(self, images: int) -> None:
        """A step ended."""
        self._images += images
        self._bar.update(images)

    def trained(self) -> None:
        """The last step of an epoch ended; its validation is not counted as training."""
        self._seconds = time.monotonic() - self._since
        self._bar.close()

    def told(self, row: dict[str, Any], epochs: int) -> None:
        """An epoch was judged; `row` is its place in the history, `epochs` how many the phase may have."""
        elapsed = time.monotonic() - self._since
        print(
            f"{row['phase']} {row['epoch']:>3}/{epochs}  loss {row['loss']:.4f}  val_loss {row['val_loss']:.4f}  "
            f"val_auc {row['val_auc']:.4f}  val_accuracy {row['val_accuracy']:.4f}  "
            f"{self._images / max(self._seconds, 1e-9):,.0f} images/s  "
            f"about {elapsed * (epochs - row['epoch']):.0f} s left",
            flush=True,
        )
        if self._live:
            for name in ("loss", "val_loss", "val_auc", "val_accuracy"):
                self._live.log_metric(name, row[name])
            self._live.next_step()

    def end(self) -> None:
        """Training is over."""
        if self._live:
            self._live.end()


def _open(folder: Path, resumed: bool) -> Any:
    from dvclive import Live

    live = Live(dir=str(folder), resume=resumed, report=None, save_dvc_exp=False, dvcyaml=None, monitor_system=False)
    if repository := getattr(live, "_dvc_repo", None):
        repository.close()  # DVCLive looks up the commit in it, and leaves the files of Git's packs open
    return live
