"""A hook of MkDocs: draws the stages from dvc.yaml, and the flows, where a page says `<!-- graph: stages -->`.

The drawings are SVG inside the page, whose colours are those of the page, in light and dark. They are drawn when the
site is built; nothing is fetched from anywhere.
"""

from pathlib import Path

from flow_drawing import flows_drawn
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from ruamel.yaml import YAML
from stage_drawing import chain_of, stages_drawn

RECIPE = "demo"  # whose chain is drawn; that of another one lacks no stage but `draw`


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the drawings where they belong."""
    if "<!-- graph: " not in html:
        return html
    root = Path(config.docs_dir).parent
    stages = YAML(typ="safe").load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    sets = YAML(typ="safe").load((root / "params.yaml").read_text(encoding="utf-8"))["recipes"]
    drawn = {"stages": lambda: stages_drawn(chain_of(stages, RECIPE, sets[RECIPE])), "flows": flows_drawn}
    for name, draw in drawn.items():
        html = html.replace(f"<!-- graph: {name} -->", f'<figure class="drawn">{draw()}</figure>')
    return html
