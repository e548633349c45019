"""A project whose data come from a publisher on this machine."""

import hashlib
import io
import zipfile

from pipelines.recipe_file import read_yaml, write_yaml
from tests.flows.projects import git

LETTERS = {"a.gz": b"a" * 5000, "b.gz": b"b" * 3000}


def archive(*films):
    """A ZIP file with these films in a folder, as a Mac would make it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for name in films:
            out.writestr(f"films/train/{name}", name.encode())
        out.writestr("__MACOSX/films/train/._x", b"macOS")
    return file.getvalue()


def entry(files, by_hand=()):
    about = {"title": "A set", "licence": "CC BY 4.0", "citation": "Nobody", "homepage": "https://example.org"}
    return {**about, "files": files, "by_hand": list(by_hand)}


class Project:
    """A git and DVC project with a catalogue whose only publisher is a server of this machine."""

    def __init__(self, root, publisher):
        self.root, self.publisher, self.raw = root, publisher, root / "data" / "raw"

    def git(self, *arguments):
        return git(self.root, *arguments)

    def file(self, name, content, **changes):
        """A file of the publisher, and its entry in the catalogue."""
        self.publisher.files[name] = content
        known = {"checksum": f"sha256:{hashlib.sha256(content).hexdigest()}", "bytes": len(content)}
        place = {"unpack": "none", "into": ".", "holds": None}
        return {"name": name, "urls": [self.publisher.address(name)], **known, **place, **changes}

    def write(self, sets):
        write_yaml({"recipes": {name: name for name in sets}}, self.root / "params.yaml")
        write_yaml(sets, self.root / "data" / "public.yaml")

    def version(self, name):
        return read_yaml(self.raw / f"{name}.dvc")


def asked(project):
    return [path for path, *_ in project.publisher.asked]
