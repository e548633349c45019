"""A service that is asked for more than it can do: what it answers is right, the rest is told to come again."""

import asyncio
import io
import json
import signal
import time

import numpy as np
import psutil
import pytest
from PIL import Image

from benchmarks import load
from serving.runtime import Predictor
from tests.serving.conftest import package_of

SECONDS = 60
LIMITS = {"FILMGATE_MAX_SECONDS": "5", "FILMGATE_MAX_IN_FLIGHT": "16"}


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory, release_model):
    """A model that takes about as long for a film as one that is in use."""
    folder = tmp_path_factory.mktemp("slow-model")
    release_model(folder, work=60)
    return folder


@pytest.fixture(scope="module")
def slow_release(tmp_path_factory, slow_model):
    return package_of(tmp_path_factory.mktemp("slow-chain"), slow_model)


@pytest.fixture(scope="module")
def films():
    """Different films."""
    drawn = []
    for grey in range(20, 240, 11):
        file = io.BytesIO()
        Image.fromarray(np.full((60, 50), grey, dtype=np.uint8)).save(file, "PNG")
        drawn.append(file.getvalue())
    return drawn


@pytest.fixture(scope="module")
def offline(slow_model, films):
    """The probabilities that the model gives without a service."""
    predictor = Predictor(slow_model)
    return [predictor.predict(film)["probability"] for film in films]


def requests_of(url, films):
    return [load.request(url, "/predict", *load.form(film)) for film in films]


def capacity(url, contents):
    """Answers a second when never more is asked for than can be done."""
    return asyncio.run(load.closed_loop(url, contents[0], 8, 4.0)).rate()


def beside(url, other, films):
    """Capacity of one service by that of another, measured in turns: what else the machine does slows both alike."""
    pairs = [[capacity(place, requests_of(place, films)) for place in (url, other)] for _ in range(3)]
    print("capacity in turns", ", ".join(f"{one:.0f} and {two:.0f}" for one, two in pairs))
    return float(np.median([one / two for one, two in pairs]))


def seconds_used_at_rest(pid):
    """Processor seconds that a service uses in one second in which nobody asks it."""
    process = psutil.Process(pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(1)
    return sum(process.cpu_times()[:2]) - before


def all_right(seen, offline):
    """That each answer is 503, or one of the probabilities that the films have."""
    assert {answer[0] for answer in seen.answers} <= {200, 503}
    right = np.array(offline)
    for answer in seen.answers:
        if answer[0] == 200:
            assert np.abs(right - load.said(answer)["probability"]).min() < 1e-5
        else:
            assert load.said(answer)["error"].endswith("Ask again in a moment.")


async def overloaded(url, contents, rate, pid):
    """What came back, and the most memory that the service held meanwhile."""
    most, flood = [0], asyncio.ensure_future(load.open_loop(url, contents, rate, SECONDS))
    while not flood.done():
        most[0] = max(most[0], psutil.Process(pid).memory_info().rss)
        await asyncio.sleep(0.5)
    return await flood, most[0]


@pytest.mark.slow
def test_four_times_what_it_can_do_for_a_minute(serving, slow_release, films, offline):
    with serving(slow_release, **LIMITS) as service, serving(slow_release, **LIMITS) as spared:
        contents = requests_of(service.url, films)
        able = capacity(service.url, contents)
        before = psutil.Process(service.pid).memory_info().rss
        seen, most = asyncio.run(overloaded(service.url, contents, 4 * able, service.pid))
        print(f"capacity {able:.0f} a second, answered {seen.rate():.0f}, p99 {seen.milliseconds(0.99):.0f} ms, ")
        print(f"p99 of the right ones {seen.milliseconds(0.99, 200):.0f} ms, memory {before >> 20} to {most >> 20} MiB")
        all_right(seen, offline)
        assert seen.broken == 0
        assert len(seen.answers) > 2 * able * SECONDS
        assert seen.rate() > 0.3 * able  # refusing costs, but films go on being answered
        assert seen.milliseconds(0.99) < 1000 * float(LIMITS["FILMGATE_MAX_SECONDS"])
        assert most < before + 100 * 2**20

        time.sleep(4)
        assert seconds_used_at_rest(service.pid) < 0.1  # else it would slow the spared one, too
        after = asyncio.run(load.closed_loop(service.url, contents[0], 4, 3.0))
        assert {answer[0] for answer in after.answers} == {200}
        assert beside(service.url, spared.url, films) > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("times", [0.5, 2])
def test_told_to_end_it_answers_every_request_that_it_took(serving, slow_release, films, offline, times):
    async def ended_under_load(service, rate):
        process, gone = psutil.Process(service.pid), asyncio.Event()
        flood = asyncio.ensure_future(load.open_loop(service.url, requests_of(service.url, films), rate, 30, gone))
        await asyncio.sleep(2)
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.05)
            assert time.monotonic() - begun < 20
        gone.set()
        return await flood, time.monotonic() - begun

    with serving(slow_release, **LIMITS) as service:
        able = capacity(service.url, requests_of(service.url, films))
        seen, seconds = asyncio.run(ended_under_load(service, times * able))
    print(f"{len(seen.answers)} answers, {seen.broken} broken, ended after {seconds:.1f} s")
    all_right(seen, offline)
    assert seen.broken == 0
    assert seen.rate() > 0
    assert len(seen.answers) > 0.5 * min(times, 1) * able * 3
    if times < 1:
        assert {answer[0] for answer in seen.answers} == {200}


def test_beyond_its_places_it_answers_503_and_the_films_that_are_in_are_answered(serving, slow_release, films, offline):
    with serving(slow_release, FILMGATE_MAX_IN_FLIGHT="2") as service:
        seen = asyncio.run(load.closed_loop(service.url, requests_of(service.url, films)[3], 12, 2.0))
    statuses = [answer[0] for answer in seen.answers]
    assert statuses.count(200) > 4
    assert statuses.count(503) > 4
    all_right(seen, offline)
    right = [json.loads(body)["probability"] for status, _, body in seen.answers if status == 200]
    assert right == pytest.approx([offline[3]] * len(right), abs=1e-5)
