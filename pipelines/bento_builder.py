"""The process that builds a bento: runs in the build context, with BENTOML_HOME set, and takes its order as JSON."""

import json
import shutil
import sys
from typing import Any


def main(order: dict[str, Any]) -> None:
    """Put the model into the store, build the bento around it, and export it.

    Args:
        order: `name`, `version` and `title` of the bento, the model's `files`, the pinned `packages`, and the `bento`
            file to write.
    """
    import bentoml

    tag = f"{order['name']}:{order['version']}"
    labels = {"owner": "filmgate", "stage": "released"}
    with bentoml.models.create(tag, labels=labels, metadata={"title": order["title"]}) as model:
        for file in order["files"]:
            shutil.copy(file, model.path)
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


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
