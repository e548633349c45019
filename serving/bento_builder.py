"""The process that builds a bento: runs in the build context, with BENTOML_HOME set, and takes its order as JSON."""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any


def main(order: dict[str, Any]) -> None:
    """Put the model into the store, let the code that will serve it answer its reference films, and export the bento.

    Args:
        order: `name`, `version` and `title` of the bento, the model's `files`, what is to be told `about` it, the
            `films` to choose `each` of a label from, the pinned `packages`, and the `bento` file to write.
    """
    import bentoml

    sys.path.insert(0, str(Path.cwd()))
    from serving import reference

    tag = f"{order['name']}:{order['version']}"
    labels = {"owner": "filmgate", "stage": "released"}
    with bentoml.models.create(tag, labels=labels, metadata={"title": order["title"]}) as model:
        folder = Path(model.path)
        for file in order["files"]:
            shutil.copy(file, folder)
        (folder / reference.ABOUT).write_text(json.dumps(order["about"], indent=1) + "\n", encoding="utf-8")
        reference.write(folder, order["films"], order["each"])
        files = {file.name: _sha256(file) for file in sorted(folder.iterdir())}
    note = {"model": tag, "files": files}
    Path("serving/released.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    bentoml.bentos.build(
        "serving.service:FilmService",
        name=order["name"],
        version=order["version"],
        labels=labels,
        description=order["title"] + ". For research use only.",
        models=[tag],
        python={"packages": order["packages"], "lock_packages": False},
        build_ctx=".",
    )
    bentoml.bentos.export_bento(tag, order["bento"])


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


if __name__ == "__main__":
    main(json.loads(sys.stdin.read()))
