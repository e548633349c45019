"""The service against its own OpenAPI document: requests are made up from the document, and answers held against it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
CALLS = ["/predict", "/explain", "/predict_batch", "/card", "/examples"]


def schemathesis(url, folder, *options, **environment):
    """Run the tests that it makes up, and give what it said where one failed."""
    program = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [program, "run", f"{url}/docs.json", "--max-examples", "60", "--seed", "1", "--no-color", *options],
        cwd=folder,
        env=os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout if done.returncode else ""


def test_the_document_names_every_call(served):
    told = httpx.get(f"{served.url}/docs.json", trust_env=False).json()
    assert told["openapi"] == "3.1.0"
    assert [path for path, calls in told["paths"].items() if "post" in calls] == CALLS
    assert "security" not in told["paths"]["/predict"]["post"]


def test_the_document_says_that_a_key_is_asked_for(serving):
    with serving(FILMGATE_API_KEY="secret") as service:
        told = httpx.get(f"{service.url}/docs.json", trust_env=False).json()
        assert told["paths"]["/predict"]["post"]["security"] == [{"key": []}]
        assert httpx.post(f"{service.url}/card", trust_env=False).status_code == 401
        opened = httpx.post(f"{service.url}/card", headers={"X-API-Key": "secret"}, trust_env=False)
        assert opened.json()["recipe"] == "demo"


@pytest.mark.slow
def test_it_keeps_its_contract_whatever_the_files_hold(served, tmp_path):
    any_bytes = ("--exclude-checks", "positive_data_acceptance")  # most of them are no films
    assert schemathesis(served.url, tmp_path, *any_bytes) == ""


@pytest.mark.slow
def test_it_keeps_its_contract_on_films(served, tmp_path):
    shutil.copy(Path(__file__).with_name("contract_films.py"), tmp_path)
    found = schemathesis(served.url, tmp_path, SCHEMATHESIS_HOOKS="contract_films", PYTHONPATH=str(tmp_path))
    assert found == ""
