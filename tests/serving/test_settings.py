import os

import pytest

from pipelines.errors import ReleaseError
from serving.settings import Settings, cores, read_settings


def test_an_empty_environment_gives_the_usual_settings():
    assert read_settings({"HOME": "/", "FILMGATE_SERVICE": "http://127.0.0.1"}) == Settings()


@pytest.mark.parametrize(
    ("quota", "most"), [("max 100000", 1024), ("100000 100000", 1), ("50000 100000", 1), ("nonsense", 1024)]
)
def test_no_more_lanes_are_opened_than_a_container_has_processors(tmp_path, quota, most):
    (tmp_path / "cpu.max").write_text(quota)
    assert 1 <= cores(tmp_path / "cpu.max") <= most
    assert cores(tmp_path / "none") == len(os.sched_getaffinity(0))


def test_settings_are_read_by_their_names():
    found = read_settings({"FILMGATE_MAX_SECONDS": "2.5", "FILMGATE_DEVICE": "cuda", "FILMGATE_LANES": "3"})
    assert (found.max_seconds, found.device, found.lanes) == (2.5, "cuda", 3)


def test_a_setting_left_empty_is_not_set():
    assert read_settings({"FILMGATE_MAX_SECONDS": ""}).max_seconds == 30


def test_web_pages_are_listed_with_commas():
    assert read_settings({"FILMGATE_CORS_ORIGINS": "https://a.example, https://b.example,"}).origins == [
        "https://a.example",
        "https://b.example",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FILMGATE_MAX_SECONDS", "soon"),
        ("FILMGATE_MAX_SECONDS", "0"),
        ("FILMGATE_MAX_SECONDS", "121"),
        ("FILMGATE_MAX_IN_FLIGHT", "-1"),
        ("FILMGATE_DEVICE", "tpu"),
        ("FILMGATE_MAX_BATCH", "1.5"),
    ],
)
def test_a_wrong_setting_is_named(name, value):
    with pytest.raises(ReleaseError, match=rf"^{name} is '{value}': .*Correct it, or unset it"):
        read_settings({name: value})
