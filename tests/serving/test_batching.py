import asyncio
import os
import sys
import threading
import time

import numpy as np
import pytest

from pipelines.inference import Answers
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


def test_films_that_wait_together_go_together_where_that_is_faster():
    sizes = []

    def slow_to_begin(frames):
        time.sleep(0.005)
        return model(frames)

    answered(Batcher(slow_to_begin, 1, 8, sizes.append), range(100))
    assert sizes[:4] == [1, 2, 4, 8]
    assert sizes[4:10] == [8] * 6


def test_films_go_one_by_one_where_larger_batches_are_slower():
    sizes = []

    def soon_tired(frames):
        time.sleep(0.02 * len(frames) ** 2)  # so that a hiccup of the machine is small beside it
        return model(frames)

    answered(Batcher(soon_tired, 1, 8, sizes.append), range(50))
    assert sizes[:4] == [1, 2, 4, 8]
    assert sizes[4:].count(1) >= 30


def test_as_many_batches_run_at_a_time_as_there_are_lanes():
    inside, most = [0], [0]
    door = threading.Lock()

    def watched(frames):
        with door:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        with door:
            inside[0] -= 1
        return model(frames)

    answered(Batcher(watched, 3, 1), range(12))
    assert most == [3]


def test_who_stops_waiting_is_not_calculated():
    seen = []

    def noted(frames):
        seen.extend(frames[:, 0, 0, 0].tolist())
        time.sleep(0.02)
        return model(frames)

    async def leave():
        batcher = Batcher(noted, 1, 1)
        first = asyncio.ensure_future(batcher.answer(frame(1)))
        second = asyncio.ensure_future(batcher.answer(frame(2)))
        third = asyncio.ensure_future(batcher.answer(frame(3)))
        await asyncio.sleep(0.005)
        second.cancel()
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
