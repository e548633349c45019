"""The ways to serve a model that the service is held against: `python -m benchmarks.plain_way <side> <folder> <port>`.

- `keras`: Keras' `model.predict` in a web handler, as tutorials write it: at /predict in a thread, at /blocking in the
  event loop, so that one request waits for the other; at /explain also Grad-CAM by a gradient tape.
- `decode`: a bare Starlette endpoint that decodes and prepares the film, and runs no model at all.
"""

import io
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from pipelines.card import read_card
from pipelines.images import enough, prepare, read


def main(side, folder, port):
    """Serve one of them until the process is told to end."""
    answers = {"keras": keras_answers, "decode": decode_answers}[side](Path(folder))
    routes = [Route(path, answer, methods=["POST"]) for path, answer in answers.items()]
    routes.append(Route("/readyz", lambda request: JSONResponse({})))
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(port), log_level="warning")


def decode_answers(folder):
    """Only the way of the pixels."""
    image = read_card(folder / "card.json").image

    async def predict(request):
        content = await uploaded(request)
        frame = prepare(read(content, at_least=enough(image)), image)
        return JSONResponse({"mean": float(frame.mean())})

    return {"/predict": predict}


def keras_answers(folder):
    """Pillow, NumPy and Keras."""
    import keras
    import numpy as np
    import tensorflow as tf
    from PIL import Image
    from starlette.concurrency import run_in_threadpool

    model = keras.saving.load_model(folder / "model.keras", compile=False)
    taps = keras.Model(model.input, [model.get_layer("features").output, model.get_layer("logit").output])
    size = model.input.shape[2], model.input.shape[1]

    def pixels(content):
        film = Image.open(io.BytesIO(content)).convert("L").resize(size, Image.Resampling.BILINEAR)
        return np.asarray(film, dtype="float32")[None, ..., None]

    def probability(content):
        return {"probability": float(model.predict(pixels(content), verbose=0)[0, 0])}

    def explained(content):
        film = pixels(content)
        with tf.GradientTape() as tape:
            features, logits = taps(film)
        weights = tf.reduce_mean(tape.gradient(logits, features), axis=(1, 2), keepdims=True)
        heat = tf.nn.relu(tf.reduce_sum(features * weights, axis=-1)).numpy()[0]
        return probability(content) | {"heat": heat.tolist()}

    def endpoint(work):
        async def answer(request):
            return JSONResponse(await run_in_threadpool(work, await uploaded(request)))

        return answer

    async def blocking(request):
        return JSONResponse(probability(await uploaded(request)))

    return {"/predict": endpoint(probability), "/blocking": blocking, "/explain": endpoint(explained)}


async def uploaded(request):
    """The film of a form."""
    async with request.form() as form:
        return await form["image"].read()


if __name__ == "__main__":
    main(*sys.argv[1:])
