"""The process that serves an unpacked bento: `python -P serving/host.py <folder> <host> <port>`.

It does what `bentoml serve` does for a service with one worker, without the supervisor that would load everything
twice, so that it is ready in half the time and ends with its own process.
"""

import logging
import socket
import sys
from typing import Any

import bentoml
import uvicorn


def main(folder: str, host: str, port: int) -> None:
    """Load the bento, check its model, and answer until the process is told to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    service = bentoml.load(folder)
    check_model(service)
    name_metrics(service)
    app = service.to_asgi()
    listener = listen(host, port)
    print(f"Serving {service.bento.tag} on http://{host}:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listener])


def check_model(service: Any) -> None:
    """End with one sentence where the bento's model is not the one that was released."""
    from pipelines.errors import FilmgateError  # the bento's own, which loading it has brought

    try:
        service.inner.check_model()
    except FilmgateError as error:
        sys.exit(f"error: {error}")


def name_metrics(service: Any) -> None:
    """Let /metrics say of which service and which bento they are."""
    bentoml.server_context.worker_index = 1
    bentoml.server_context.service_type = "entry_service"
    bentoml.server_context.service_name = service.name
    bentoml.server_context.bento_name = service.bento.tag.name
    bentoml.server_context.bento_version = service.bento.tag.version


def listen(host: str, port: int) -> socket.socket:
    """A socket on that address, or one sentence where it cannot be had."""
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        sys.exit(f"error: Cannot listen on {host}:{port} ({error.strerror}). End what listens there, or choose --port.")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
