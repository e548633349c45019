"""A hook of MkDocs: pages that lie outside `docs/`, and links as they are written in the repository.

Each page is written for its place in the repository, where its links hold. README.md, CONTRIBUTING.md, CHANGELOG.md and
the pages about data become pages of the site; a link to one of them, or to any page, leads there, and of a link to a
file that is no page, code or a folder, its text is left.
"""

import os
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ELSEWHERE = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "data/README.md": "data.md",
    "data/production/README.md": "production.md",
}
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
SOURCE = re.compile(r'(?P<before><img [^>]*?src=")(?P<target>[^"]+)"')
MERMAID = re.compile(r"```mermaid\n.*?\n```\n", re.DOTALL)
CODE = re.compile(r"(```.*?```|(?<!\[)`[^`\n]*`)", re.DOTALL)  # save the text of a link
PICTURE = "<!-- graph: stages -->\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere in the repository."""
    root = Path(config.docs_dir).parent
    for source, name in ELSEWHERE.items():
        files.append(File.generated(config, name, content=(root / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the repository into links of the site; README's drawing is the one that is drawn here."""
    place = place_of(page.file.src_uri)
    markdown = MERMAID.sub(PICTURE, markdown)
    parts = CODE.split(markdown)  # code, at odd places, is not touched
    return "".join(part if number % 2 else _linked(part, place, files) for number, part in enumerate(parts))


def place_of(page: str) -> str:
    """Where in the repository a page of the site is written."""
    known = {name: source for source, name in ELSEWHERE.items()}
    return known.get(page, f"docs/{page}")


def page_of(place: str) -> str:
    """Where on the site something of the repository would be."""
    return ELSEWHERE.get(place, place.removeprefix("docs/") if place.startswith("docs/") else f"../{place}")


def _linked(text: str, place: str, files: Files) -> str:
    def link(found: re.Match[str]) -> str:
        target = target_of(found["target"], place, files)
        return found["text"] if target is None else f"{found['image']}[{found['text']}]({target})"

    def source(found: re.Match[str]) -> str:
        return f'{found["before"]}{target_of(found["target"], place, files) or found["target"]}"'

    return SOURCE.sub(source, LINK.sub(link, text))


def target_of(target: str, place: str, files: Files) -> str | None:
    """A link, from the page of its place to the page that is meant; None where the site has no such page.

    Args:
        target: as it stands in the repository.
        place: of the file it stands in.
    """
    address, mark, part = target.partition("#")
    if not address or re.match(r"[a-z]+:", address):
        return target
    meant = page_of(posixpath.normpath(posixpath.join(posixpath.dirname(place), address)))
    if files.get_file_from_path(meant) is None:
        return None
    here = posixpath.dirname(page_of(place))
    return os.path.relpath(meant, here or ".") + mark + part
