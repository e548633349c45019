"""The docs: the site builds without a warning and asks nobody for anything, and what it tells people to do exists."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines.recipe_file import read_yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SOURCES = sorted(
    [
        *DOCS.rglob("*.md"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *(ROOT / "data").glob("README.md"),
    ]
)
BLOCK = re.compile(r"```.*?```", re.DOTALL)
COMMAND = re.compile(r"\bpython -m ((?:pipelines|flows|serving|benchmarks)[\w.]*)")
TARGET = re.compile(r"(?<![\w-])make ([a-z][a-z-]*)")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)|src=\"(?P<source>[^\"]+)\"")
DRAWING = r'<svg class="drawing".*?</svg>'
QUOTED = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)


def words_of(path):
    """What stands in code, which is what people copy."""
    return "\n".join(QUOTED.findall(path.read_text(encoding="utf-8")))


def named(path):
    return path.relative_to(ROOT).as_posix()


class Asked(HTMLParser):
    """What a page would fetch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        if tag in ("script", "img", "iframe", "source"):
            self.found.append(told.get("src"))
        if tag == "link" and told.get("rel") != "canonical":
            self.found.append(told.get("href"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # that of the theme's makers about the next version
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return folder


def test_no_page_asks_anybody_for_anything(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        asked = Asked()
        asked.feed(page.read_text(encoding="utf-8"))
        assert not [address for address in asked.found if address and re.match(r"(https?:)?//", address)], page
        assert 'class="mermaid"' not in page.read_text(encoding="utf-8")  # whose script would be fetched


def test_both_drawings_are_drawn_and_name_what_the_project_has(site):
    page = (site / "how-it-works.html").read_text(encoding="utf-8")
    stages, flows = re.findall(DRAWING, page, re.DOTALL)
    written = read_yaml(ROOT / "dvc.yaml")["stages"]
    for name, stage in written.items():
        assert f">{name}</text>" in stages
        for out in stage.get("do", stage)["outs"]:
            assert f">{out.replace('${key}', 'demo')}</text>" in stages
    for deployment in read_yaml(ROOT / "prefect.yaml")["deployments"]:
        assert f">{deployment['name']}</text>" in flows
    drawn = re.findall(r'class="stage".*?\n<text class="name"[^>]*>([^<]+)<', flows)
    assert {name for name in drawn if not (ROOT / "flows" / f"{name}.py").is_file()} == set()
    assert "<!-- graph" not in page


def test_the_drawing_has_an_arrow_for_each_file_that_a_stage_reads(site):
    page = (site / "how-it-works.html").read_text(encoding="utf-8")
    stages = re.search(DRAWING, page, re.DOTALL)[0]
    written = read_yaml(ROOT / "dvc.yaml")["stages"].values()
    outs = {out for stage in written for out in stage.get("do", stage)["outs"]} | {"data/raw/${item}"}
    arrows = 0
    for stage in written:
        data = [dep for dep in stage.get("do", stage)["deps"] if dep.startswith("data/")]
        arrows += len({next((out for out in outs if dep == out or dep.startswith(f"{out}/")), dep) for dep in data})
    assert stages.count("<polygon") == arrows > 10


def test_links_between_pages_and_pages_that_lie_elsewhere_lead_on(site):
    index = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="contributing.html"' in index
    assert 'href="readme.html#figures"' in index
    assert 'src="page/desktop-light.png"' in (site / "readme.html").read_text(encoding="utf-8")


def test_every_page_is_in_the_navigation():
    def pages(entries):
        for entry in entries:
            value = next(iter(entry.values())) if isinstance(entry, dict) else entry
            yield from [value] if isinstance(value, str) else pages(value)

    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    shown = list(pages(YAML(typ="safe").load(text)["nav"]))
    elsewhere = {"readme.md", "contributing.md", "changelog.md", "data.md", "production.md"}
    assert sorted(shown) == sorted({path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} | elsewhere)


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_every_command_that_a_page_names_exists(path):
    words = words_of(path)
    for module in COMMAND.findall(words):
        spec = importlib.util.find_spec(module.rstrip("."))
        assert spec is not None, module
        assert spec.submodule_search_locations is None or importlib.util.find_spec(f"{module}.__main__"), module
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(TARGET.findall(words)) <= targets


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_every_option_that_a_page_gives_a_command_is_one_of_its_own(path):
    for module, rest in re.findall(r"python -m ((?:flows|serving)\.[\w.]+)((?:[^\S\n]+[^\s`#|;&>]+)*)", words_of(path)):
        place = ROOT.joinpath(*module.rstrip(".").split("."))
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
        code = "".join(file.read_text(encoding="utf-8") for file in files)
        for option in (word for word in rest.split() if word.startswith("--")):
            assert f'"{option}"' in code, f"{module} {option}"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_every_relative_link_leads_to_something(path):
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    for found in LINK.finditer(text):
        target = (found["target"] or found["source"]).split("#")[0]
        if target and not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_every_recipe_key_in_an_example_of_a_recipe_exists(path):
    sections = read_yaml(ROOT / "recipes" / "folder.yaml")
    for block in re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        written = YAML(typ="safe").load(block)
        for name, section in written.items() if isinstance(written, dict) else ():
            if name in sections and name not in ("source", "external", "model") and isinstance(section, dict):
                assert set(section) <= set(sections[name]), f"{name}: {section}"
