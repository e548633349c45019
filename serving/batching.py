"""Adaptive batching: films of requests that wait at the same time go through the model together.

Nothing waits for a batch to fill. A lane that becomes free takes what is waiting by then, shared with the other free
lanes, so that the batch grows with the load and a lone request is not delayed (the policy of Clipper's adaptive
batching without its delay: Crankshaw et al. 2017, NSDI).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil

import numpy as np

from pipelines.inference import Answers

Model = Callable[[np.ndarray], Answers]


class Batcher:
    """Puts prepared films through a model, from within one event loop."""

    def __init__(self, model: Model, lanes: int, most: int, seen: Callable[[int], None] = lambda count: None) -> None:
        """Nothing runs yet.

        Args:
            model: answers on (n, height, width, channels) uint8; is called in `lanes` threads at a time.
            most: films of a batch.
            seen: is told the size of each batch.
        """
        self._model, self._most, self._seen = model, most, seen
        self._free, self._lanes = lanes, ThreadPoolExecutor(lanes, thread_name_prefix="model")
        self._waiting: deque[tuple[np.ndarray, asyncio.Future[Answers]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def answer(self, frame: np.ndarray) -> Answers:
        """What the model says of one film, as a batch of one.

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

    def _next(self) -> Sequence[tuple[np.ndarray, asyncio.Future[Answers]]]:
        self._waiting = deque(entry for entry in self._waiting if not entry[1].done())
        share = min(self._most, ceil(len(self._waiting) / self._free))
        return [self._waiting.popleft() for _ in range(share)]

    async def _run(self, batch: Sequence[tuple[np.ndarray, asyncio.Future[Answers]]]) -> None:
        frames = np.stack([frame for frame, _ in batch])
        self._seen(len(batch))
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self._lanes, self._model, frames)
        except Exception as error:  # whatever stops the model is told to everyone who waits
            for _, told in batch:
                if not told.done():
                    told.set_exception(error)
        else:
            for row, (_, told) in enumerate(batch):
                if not told.done():
                    told.set_result(answers.row(row))
        finally:
            self._free += 1
            self._start()
