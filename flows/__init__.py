"""Prefect flows: when the chain runs, and what the world hears of it. The stages themselves belong to dvc.yaml."""

import os

os.environ.setdefault("DO_NOT_TRACK", "1")  # Prefect would tell its makers of a first use
