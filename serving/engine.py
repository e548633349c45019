"""The service without HTTP: films are read in threads, go through the model in batches, and are recorded."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from pipelines.errors import ImageError
from serving.batching import Batcher, step_back
from serving.metrics import Metrics
from serving.prediction_log import PredictionLog
from serving.runtime import Drawing, Film, Predictor, Window
from serving.settings import Settings

LOG = logging.getLogger("bentoml.filmgate")


class Engine:
    """Answers on films, as many at a time as the processor can do."""

    def __init__(self, predictor: Predictor, limits: Settings, metrics: Metrics) -> None:
        """Open the prediction log, if there is to be one.

        Raises:
            ReleaseError: it cannot be written.
        """
        self._predictor, self._metrics = predictor, metrics
        self._batcher = Batcher(predictor.run, limits.lanes, limits.max_batch, metrics.batch)
        self._readers = ThreadPoolExecutor(limits.lanes, "reader", step_back)
        folder = limits.log_folder
        self._log = folder and PredictionLog(folder, limits.prediction_log_mib * 2**20, limits.prediction_log_files)

    async def predict(self, content: bytes, request_id: str, call: str) -> dict[str, Any]:
        """The answer on one film, counted and logged before it leaves.

        Raises:
            ImageError: the bytes are no picture that can be read.
        """
        film = await self._in_thread(self._predictor.read, content)
        answer = self._predictor.answer(film, await self._batcher.answer(film.frame))
        self._record(request_id, call, film, answer)
        return answer

    async def predict_each(self, films: Sequence[bytes], request_id: str, call: str) -> list[dict[str, Any]]:
        """Answers on several films, in order; one that cannot be read has `error` instead of an answer."""

        async def answer_or_error(content: bytes) -> dict[str, Any]:
            try:
                return await self.predict(content, request_id, call)
            except ImageError as error:
                return {"error": str(error)}

        return list(await asyncio.gather(*map(answer_or_error, films)))

    async def explain(self, content: bytes, drawing: Drawing, window: Window | None) -> tuple[bytes, Film]:
        """The film with its heatmap as PNG, and the film.

        Raises:
            ImageError: the bytes are no picture that can be read.
        """
        film = await self._in_thread(self._predictor.read_whole, content, window)
        said = await self._batcher.answer(film.frame)
        return await self._in_thread(self._predictor.draw, film, said, drawing), film

    def close(self) -> None:
        """Give threads and files back."""
        self._batcher.close()
        self._readers.shutdown()
        if self._log:
            self._log.close()

    async def _in_thread(self, work: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._readers, partial(work, *given))

    def _record(self, request_id: str, call: str, film: Film, answer: dict[str, Any]) -> None:
        """A log that cannot be written stops no answer, but it is told."""
        self._metrics.prediction(answer)
        if not self._log:
            return
        try:
            self._log.write(request_id, call, film, answer)
        except OSError as error:
            self._metrics.unlogged.inc()
            LOG.error("The prediction log cannot be written (%s).", error.strerror)
