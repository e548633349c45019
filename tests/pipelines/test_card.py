import hashlib
import json

import pytest

from pipelines.card import read_card, sha256
from pipelines.errors import ReleaseError


def test_a_card_is_read_as_it_was_written(release_model, tmp_path):
    written = release_model(tmp_path, refer=None, facts={"data": {"train": {"images": 3}}, "share": 0.1})
    assert read_card(tmp_path / "card.json") == written


def test_a_missing_card_is_named(tmp_path):
    with pytest.raises(ReleaseError, match=r"There is no .*card\.json"):
        read_card(tmp_path / "card.json")


@pytest.mark.parametrize("content", [b"", b"{}", b"no json", b"\xff\xfe", b"[1]"])
def test_what_is_no_card_is_named(tmp_path, content):
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(ReleaseError, match=r"card\.json is not a model card"):
        read_card(tmp_path / "card.json")


@pytest.mark.parametrize(("key", "value"), [("surprise", 1), ("threshold", "0.5"), ("labels", {"names": ["a"]})])
def test_a_card_with_an_unknown_key_or_a_wrong_type_is_no_card(release_model, tmp_path, key, value):
    release_model(tmp_path)
    values = json.loads((tmp_path / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps({**values, key: value}))
    with pytest.raises(ReleaseError, match="is not a model card"):
        read_card(tmp_path / "card.json")


def test_the_hash_is_that_of_the_whole_file(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()
