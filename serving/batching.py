"""Adaptive batching: films of requests that wait at the same time go through the model together, where that is faster.

Nothing waits for a batch to fill: a lane that becomes free takes what is waiting by then. How many films it takes is
learned while it runs, since larger batches are faster on a GPU and with small models, and slower where they no longer
fit a processor's cache (after the search for a batch size of Clipper, Crankshaw et al. 2017, NSDI).
"""

import asyncio
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from statistics import median_low

import numpy as np

from pipelines.inference import Answers

Model = Callable[[np.ndarray], Answers]
Waiting = tuple[np.ndarray, "asyncio.Future[Answers]"]
REMEMBERED = 5  # measurements of a size, whose median counts: a hiccup of the machine says nothing of the model
BEHIND = 5  # steps of niceness
TRIALS = 50  # batches until a size that was slower is tried again


def step_back() -> None:
    """Let this thread wait for those that talk to clients, so that an overload is still answered in time."""
    if sys.platform == "linux":  # where a thread has a priority of its own
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + BEHIND)


class Pace:
    """Which batch size is the fastest for a film: powers of two up to a limit."""

    def __init__(self, most: int) -> None:
        """Nothing is known yet.

        Args:
            most: films of a batch.
        """
        self._measured = {2**power: deque[float](maxlen=REMEMBERED) for power in range(most.bit_length())}
        self._seconds = dict.fromkeys(self._measured, 0.0)  # for a film; 0: not tried
        self._chosen = 0

    def choose(self, waiting: int) -> int:
        """The size of the next batch, at most as large as what is waiting."""
        sizes = [size for size in self._seconds if size <= waiting]
        self._chosen += 1
        if self._chosen % TRIALS == 0:
            return sizes[self._chosen // TRIALS % len(sizes)]
        return min(sizes, key=self._seconds.__getitem__)

    def learn(self, size: int, seconds: float) -> None:
        """Keep how long a batch took."""
        self._measured[size].append(seconds / size)
        self._seconds[size] = median_low(self._measured[size])


class Batcher:
    """Puts prepared films through a model, from within one event loop."""

    def __init__(self, model: Model, lanes: int, most: int, seen: Callable[[int], None] = lambda count: None) -> None:
        """Nothing runs yet.

        Args:
            model: answers on (n, height, width, channels) uint8; is called in `lanes` threads at a time.
            most: films of a batch.
            seen: is told the size of each batch.
        """
        self._model, self._pace, self._seen = model, Pace(most), seen
        self._free, self._lanes = lanes, ThreadPoolExecutor(lanes, "model", step_back)
        self._waiting: deque[Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def answer(self, frame: np.ndarray) -> Answers:
        """What the model says of one film, as answers of one.

        Who stops waiting gives up the place in the queue.

        Args:
            frame: (height, width, channels) uint8.
        """
        told: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._waiting.append((frame, told))
        self._start()
        return await told

    def close(self) -> None:
        """Let what runs come to its end, and take nothing more."""
        self._lanes.shutdown()

    def _start(self) -> None:
        while self._free and (batch := self._next()):
            self._free -= 1
            task = asyncio.ensure_future(self._run(batch))
            self._running.add(task)  # the loop itself does not keep a task alive
            task.add_done_callback(self._running.discard)

    def _next(self) -> Sequence[Waiting]:
        self._waiting = deque(entry for entry in self._waiting if not entry[1].done())
        if not self._waiting:
            return ()
        size = self._pace.choose(ceil(len(self._waiting) / self._free))  # the other free lanes get their share
        return [self._waiting.popleft() for _ in range(size)]

    async def _run(self, batch: Sequence[Waiting]) -> None:
        frames = np.stack([frame for frame, _ in batch])
        self._seen(len(batch))
        begun = time.perf_counter()
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self._lanes, self._model, frames)
        except Exception as error:  # whatever stops the model is told to everyone who waits
            for _, told in batch:
                if not told.done():
                    told.set_exception(error)
        else:
            self._pace.learn(len(batch), time.perf_counter() - begun)
            for row, (_, told) in enumerate(batch):
                if not told.done():
                    told.set_result(answers.row(row))
        finally:
            self._free += 1
            self._start()
