"""Prefect flows: when the chain runs, and what the world hears of it. The stages themselves belong to dvc.yaml."""
