import asyncio
import os
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.inference import Answers
from serving import batching
from serving.batching import BEHIND, Batcher, Pace


def model(frames):
    """Says of a frame what its first pixel is."""
    first = frames[:, 0, 0, 0].astype(float)
    return Answers(np.stack([255 - first, first], axis=1), frames[..., 0], first)


def frame(value):
    return np.full((2, 2, 1), value, dtype=np.uint8)


def answered(batcher, values):
    async def ask():
        return await asyncio.gather(*(batcher.answer(frame(value)) for value in values))

    said = asyncio.run(ask())
    batcher.close()
    return [float(answers.distance[0]) for answers in said]


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("most", [1, 5, 8])
def test_everyone_gets_the_answer_on_the_own_film(lanes, most):
    assert answered(Batcher(model, lanes, most), range(40)) == list(range(40))


def test_a_lone_film_goes_through_at_once_and_alone():
    sizes = []
    assert answered(Batcher(model, 2, 8, sizes.append), [7]) == [7]
    assert sizes == [1]


@pytest.fixture
def clock(monkeypatch):
    """A clock of the batcher that stands still until a model moves it on, whatever the machine does meanwhile."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(batching, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def test_films_that_wait_together_go_together_where_that_is_faster(clock):
    sizes = []

    def slow_to_begin(frames):
        clock.now += 0.005
        return model(frames)

    answered(Batcher(slow_to_begin, 1, 8, sizes.append), range(100))
    assert sizes[:4] == [1, 2, 4, 8]
    assert sizes[4:10] == [8] * 6


def test_films_go_one_by_one_where_larger_batches_are_slower(clock):
    sizes = []

    def soon_tired(frames):
        clock.now += 0.02 * len(frames) ** 2
        return model(frames)

    answered(Batcher(soon_tired, 1, 8, sizes.append), range(50))
    assert sizes[:4] == [1, 2, 4, 8]
    assert sizes[4:] == [1] * 35


def test_as_many_batches_run_at_a_time_as_there_are_lanes():
    inside, most = [0], [0]
    door, all_lanes = threading.Lock(), threading.Barrier(3, timeout=60)

    def watched(frames):
        with door:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        all_lanes.wait()  # breaks, and fails the test, where fewer lanes run
        with door:
            inside[0] -= 1
        return model(frames)

    answered(Batcher(watched, 3, 1), range(12))
    assert most == [3]


def test_who_stops_waiting_is_not_calculated():
    seen, left = [], threading.Event()

    def noted(frames):
        seen.extend(frames[:, 0, 0, 0].tolist())
        assert left.wait(60)
        return model(frames)

    async def leave():
        batcher = Batcher(noted, 1, 1)
        first, second, third = (asyncio.ensure_future(batcher.answer(frame(value))) for value in (1, 2, 3))
        await asyncio.sleep(0)  # now all three have asked, and the first is calculated
        second.cancel()
        left.set()
        await asyncio.gather(first, third)
        batcher.close()

    asyncio.run(leave())
    assert seen == [1, 3]


def test_a_model_that_fails_tells_all_who_wait_and_goes_on():
    def moody(frames):
        if frames[0, 0, 0, 0] == 1:
            raise RuntimeError("no memory")
        return model(frames)

    async def ask():
        batcher = Batcher(moody, 1, 1)
        said = await asyncio.gather(*(batcher.answer(frame(value)) for value in (1, 2)), return_exceptions=True)
        batcher.close()
        return said

    failed, fine = asyncio.run(ask())
    assert isinstance(failed, RuntimeError)
    assert fine.distance[0] == 2


def test_a_size_that_was_slow_once_is_tried_again():
    pace = Pace(4)
    for size, seconds in ((1, 1.0), (2, 10.0), (4, 40.0)):
        pace.learn(size, seconds)
    assert {pace.choose(4) for _ in range(200)} == {1, 2, 4}
    assert sum(pace.choose(4) == 1 for _ in range(100)) >= 98


def test_a_hiccup_of_the_machine_says_nothing_of_a_size_and_what_lasts_does():
    pace = Pace(2)
    for size, seconds in ((1, 1.0), (2, 3.0), (1, 1.0)):
        pace.learn(size, seconds)
    pace.learn(1, 60.0)
    assert pace.choose(2) == 1
    pace.learn(1, 1.0)
    for _ in range(3):
        pace.learn(1, 2.0)
    assert pace.choose(2) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a thread a priority of its own")
def test_the_model_runs_behind_the_thread_that_asked():
    def nice():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    seen, before = [], nice()

    def noted(frames):
        seen.append(nice())
        return model(frames)

    answered(Batcher(noted, 1, 1), [1])
    assert seen == [min(before + BEHIND, 19)]
    assert nice() == before
