"""Small projects of their own git and DVC, made in a second."""

import json
import os
import subprocess
import sys
from pathlib import Path

from pipelines.card import sha256

ROOT = Path(__file__).resolve().parents[2]
WHO = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
DVC = """
stages:
  ingest:
    foreach: ${recipes}
    do:
      cmd: mkdir -p data/${key} && cp data/raw/${item}/films data/${key}/manifest.parquet
      deps:
        - data/raw/${item}
      outs:
        - data/${key}/manifest.parquet
  package:
    foreach: ${recipes}
    do:
      cmd: python release.py ${key}
      deps:
        - data/${key}/manifest.parquet
        - recipes/${key}.yaml
        - release.py
      outs:
        - data/${key}/model
        - data/${key}/release
"""
IGNORED = ".filmgate/\n/data/?*\n!/data/raw/\n!/data/production/\n/data/raw/?*\n!/data/raw/*.dvc\n"
RELEASE = """
import hashlib, json, sys
from pathlib import Path
recipe = sys.argv[1]
model, release = Path("data", recipe, "model"), Path("data", recipe, "release")
for folder in (model, release):
    folder.mkdir(parents=True, exist_ok=True)
content = Path("recipes", recipe + ".yaml").read_bytes() + Path("data", recipe, "manifest.parquet").read_bytes()
(model / "model.onnx").write_bytes(content)
(model / "card.json").write_text("{}")
(release / "images.parquet").write_text("images")
(release / "monitoring.parquet").write_text("reference")
(release / "profile.json").write_text(json.dumps({"images": 3, "statistics": {"mean": {"missing": 0.0}}}))
digest = hashlib.sha256(content).hexdigest()
bento = release / f"filmgate-{recipe}-{digest[:12]}.bento"
bento.write_bytes(b"bento of " + content)
figures = {"n": 40, "auc": 0.9, "auc_low": 0.8, "auc_high": 0.95}
(release / "release.json").write_text(json.dumps({
    "recipe": recipe, "version": digest[:12], "model_sha256": digest, "bento": bento.name,
    "bento_sha256": hashlib.sha256(bento.read_bytes()).hexdigest(), "gates": [{}, {}],
    "hashes": {"code": hashlib.sha256(Path("release.py").read_bytes()).hexdigest()},
    "metrics": {"test": figures}, "decided": {"at": "2026-01-01T00:00:00+00:00"}}))
"""


def git(root, *words):
    done = subprocess.run(["git", *WHO, *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def dvc(root, *words):
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    order = [sys.executable, "-m", "dvc", "-q", *words]
    subprocess.run(order, cwd=root, check=True, env={**os.environ, "PATH": binaries})


def project_with_data(root):
    """A project whose one recipe, a copy of the demo's, reads films that `dvc add` keeps; committed."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "recipes").mkdir()
    (root / "recipes" / "demo.yaml").write_text((ROOT / "recipes" / "demo.yaml").read_text())
    (root / "params.yaml").write_text("recipes:\n  demo: films\n")
    (root / "dvc.yaml").write_text(DVC)
    (root / "release.py").write_text(RELEASE)
    (root / ".gitignore").write_text(IGNORED)
    (root / "data" / "raw" / "films").mkdir(parents=True)
    (root / "data" / "raw" / "films" / "films").write_text("three films")
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    dvc(root, "init")
    dvc(root, "config", "core.analytics", "false")
    dvc(root, "add", "data/raw/films")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a project")
    return root


def release_of(folder):
    """What the release in a folder says of itself."""
    return json.loads((folder / "data" / "demo" / "release" / "release.json").read_text())


__all__ = ["dvc", "git", "project_with_data", "release_of", "sha256"]
