"""Fetching a file from its publisher: going on where an earlier try ended, and proving the bytes by their checksum."""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from tqdm import tqdm

from flows.public import PublicFile
from pipelines.errors import DataError

TRIES, PAUSE = 3, 1.0  # tries in a row that bring no byte, and seconds between the first two
TIMEOUT = httpx.Timeout(60, connect=15)
HEADERS = {"User-Agent": "filmgate", "Accept-Encoding": "identity"}  # the file's own bytes, so that ranges fit
LINE_EVERY = 1 << 24
PARTIAL, RANGE_BEYOND_END = 206, 416


class DownloadError(DataError):
    """No address gave the file; the message says why."""


class _WrongAnswerError(Exception):
    """An address gives something else than the file; asking it again is no use."""


def fetch(file: PublicFile, target: Path) -> str:
    """Fetch a file from the first of its addresses that gives it, and say which that was.

    What came before an interruption lies in `<target>.part` and is not asked for again.

    Raises:
        DownloadError: no address gave it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part, faults = _Part(target), []
    with httpx.Client(follow_redirects=True, timeout=TIMEOUT, headers=HEADERS) as client:
        for url in file.urls:
            try:
                _complete(client, url, file, part)
                _prove(file, part)
            except (httpx.HTTPError, _WrongAnswerError) as error:
                faults.append(f"{urlsplit(url).netloc}: {error or type(error).__name__}")
            else:
                part.path.replace(target)
                part.note.unlink(missing_ok=True)
                return url
    raise DownloadError("; ".join(faults))


def checksum(path: Path, kind: str = "sha256") -> str:
    """The checksum of a file as the catalogue writes it: `sha256:...` or `md5:...`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False))
    return f"{kind}:{digest.hexdigest()}"


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size:,} bytes"


class _Part:
    """The beginning of a file; `note` remembers its address and the version that the server named."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self.note = target.with_name(target.name + ".part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def version(self, url: str) -> str | None:
        """What the server called the version of which this is the beginning."""
        noted = json.loads(self.note.read_text(encoding="utf-8")) if self.note.is_file() else {}
        return noted.get("version") if noted.get("url") == url else None

    def remember(self, url: str, version: str | None) -> None:
        self.note.write_text(json.dumps({"url": url, "version": version}), encoding="utf-8")

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _complete(client: httpx.Client, url: str, file: PublicFile, part: _Part) -> None:
    """Ask until the file is whole, while each few tries bring it further."""
    most, idle = part.size, 0
    while file.bytes is None or part.size != file.bytes:
        try:
            _receive(client, url, file, part)
            if file.bytes is None or part.size >= file.bytes:
                return
            raise httpx.RemoteProtocolError(f"ended after {part.size:,} of {file.bytes:,} bytes")
        except httpx.TransportError:
            most, idle = max(most, part.size), 0 if part.size > most else idle + 1
            if idle == TRIES:
                raise
            time.sleep(PAUSE * 2 ** max(0, idle - 1))


def _receive(client: httpx.Client, url: str, file: PublicFile, part: _Part) -> None:
    """One request: append the rest of the file, or write it anew where the server gives it from its beginning."""
    with client.stream("GET", url, headers=_wish(url, file, part)) as answer:
        if answer.status_code == RANGE_BEYOND_END:
            part.clear()
        _refuse(answer)
        start = _start(answer)
        if start not in (0, part.size):
            part.clear()
            raise httpx.RemoteProtocolError(f"began at byte {start:,} unasked")
        total = start + int(length) if (length := answer.headers.get("Content-Length")) else None
        if file.bytes and total and total != file.bytes:
            raise _WrongAnswerError(f"gave {total:,} bytes instead of {file.bytes:,}")
        part.remember(url, _version(answer))
        with part.path.open("ab" if start else "wb") as out, _progress(file.name, start, total or file.bytes) as step:
            for chunk in answer.iter_raw():
                out.write(chunk)
                step(len(chunk))


def _wish(url: str, file: PublicFile, part: _Part) -> dict[str, str]:
    """Ask for the rest alone, if it is sure to be the rest of the same file."""
    version = part.version(url)
    if not part.size or not (version or file.checksum):
        return {}
    wish = {"Range": f"bytes={part.size}-"}
    return {**wish, "If-Range": version} if version else wish


def _refuse(answer: httpx.Response) -> None:
    """Faults of the server pass, so they are worth another try; that it has no such file does not."""
    said = f"{answer.status_code} {answer.reason_phrase}".strip()
    if answer.status_code >= 500 or answer.status_code in (408, RANGE_BEYOND_END, 429):
        raise httpx.RemoteProtocolError(said)
    if answer.status_code not in (200, PARTIAL):
        raise _WrongAnswerError(said)


def _start(answer: httpx.Response) -> int:
    """The byte at which an answer begins: some servers announce ranges and then send the whole file."""
    said = answer.headers.get("Content-Range", "")
    if answer.status_code != PARTIAL:
        return 0
    first = said.removeprefix("bytes ").partition("-")[0]
    if not first.isdigit():
        raise httpx.RemoteProtocolError(f"sent a part of the file without saying which ({said!r})")
    return int(first)


def _version(answer: httpx.Response) -> str | None:
    """What names the bytes for If-Range: a strong ETag, or the date of the last change."""
    tag = answer.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")


def _prove(file: PublicFile, part: _Part) -> None:
    """Delete a finished file that is not the one that was promised."""
    if file.checksum is None or (found := checksum(part.path, file.checksum.partition(":")[0])) == file.checksum:
        return
    part.clear()
    raise _WrongAnswerError(f"gave a file with {found} where {file.checksum} is expected, which was deleted")


class _Lines:
    """Progress for logs: a line every few megabytes and one at the end."""

    def __init__(self, name: str, done: int, total: int | None) -> None:
        self.name, self.done, self.total, self._said = name, done, total, done

    def update(self, count: int) -> None:
        self.done += count
        if self.done - self._said >= LINE_EVERY or self.done == self.total:
            self._said = self.done
            print(f"{self.name}: {megabytes(self.done)}" + (f" of {megabytes(self.total)}" if self.total else ""))


@contextmanager
def _progress(name: str, done: int, total: int | None) -> Iterator[Callable[[int], object]]:
    """What counts the bytes as they come: a bar on a terminal, else lines."""
    if not sys.stderr.isatty():
        yield _Lines(name, done, total).update
        return
    with tqdm(desc=name, initial=done, total=total, unit="B", unit_scale=True) as bar:
        yield bar.update
