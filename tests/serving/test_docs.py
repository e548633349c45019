"""docs/serving.md says what the service does, table by table."""

import json
import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from ruamel.yaml import YAML

from serving.admission import REASONS
from serving.metrics import Metrics
from serving.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = {"counter": "_total", "histogram": "", "gauge": ""}


@pytest.fixture(scope="module")
def text():
    return (ROOT / "docs/serving.md").read_text()


def table(text, heading):
    """The rows of the table under a heading, as lists of cells."""
    part = re.search(rf"^## {heading}\n(?P<body>.*?)(?=^## |\Z)", text, re.M | re.S)["body"]
    lines = re.search(r"^\|.*\n\|[-|]+\n(?P<rows>(?:\|.*\n)+)", part, re.M)["rows"].splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def usual(name, field):
    """What a setting is where nobody sets it, as the table writes it."""
    if name == "lanes":
        return "processors"
    return f"{field.default:.0f}" if isinstance(field.default, int | float) else field.default or "empty"


def test_every_setting_stands_in_the_table_with_its_usual_value(text):
    told = {variable.strip("`"): value for variable, value, _ in table(text, "Settings")}
    assert told == {PREFIX + name.upper(): usual(name, field) for name, field in Settings.model_fields.items()}


def test_every_setting_that_is_spoken_of_is_one(text):
    assert set(re.findall(r"FILMGATE_[A-Z_]+[A-Z]", text)) == {PREFIX + name.upper() for name in Settings.model_fields}


def test_every_metric_stands_in_the_table_with_its_labels(text):
    told = {name.strip("`"): labels for name, labels, _ in table(text, "Metrics")}
    counted = [family for family in Metrics().registry.collect() if family.name.startswith("filmgate_")]
    assert set(told) == {family.name + SUFFIXES[family.type] for family in counted}
    assert told["filmgate_model_info"] == "recipe, version, sha256"


def test_every_reason_of_a_rejection_is_named(text):
    (row,) = (meaning for name, _, meaning in table(text, "Metrics") if name == "`filmgate_rejections_total`")
    assert set(re.findall(r"`(\w+)`", row)) == set(REASONS.values())


def test_the_alert_that_is_shown_is_one_of_those_that_are_shipped(text):
    (shown,) = YAML(typ="safe").load(re.search(r"```yaml\n(.*?)```", text, re.S)[1])
    rules = YAML(typ="safe").load(ROOT / "serving/kubernetes/monitor/alerts.yaml")["spec"]["groups"][0]["rules"]
    (shipped,) = (rule for rule in rules if rule["alert"] == shown["alert"])
    assert shipped.items() >= shown.items()


def test_every_key_of_the_prediction_log_is_explained(text, served, as_png):
    film = as_png(np.full((40, 50), 90, "uint8"))
    assert httpx.post(f"{served.url}/predict", files={"image": film}, trust_env=False).status_code == 200
    (log,) = served.store.parent.rglob("predictions.jsonl")
    keys = list(json.loads(log.read_text().splitlines()[-1]))
    told = [key for names, _ in table(text, "What is written down") for key in re.findall(r"`(\w+)`", names)]
    assert told == keys


def test_every_file_that_is_named_is_there(text):
    named = set(re.findall(r"`((?:serving|tests)/[\w/]+(?:\.\w+)?)`", text))
    assert len(named) >= 5
    assert all((ROOT / name).exists() for name in named)
