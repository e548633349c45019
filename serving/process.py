"""What a serving process is given: its environment, and the line in which its clients stand."""

import socket
import sys

# Nothing is reported to the makers of BentoML and ONNX Runtime, threads share their free memory, and that of a large
# film goes back to the system as soon as the film is answered.
ENVIRONMENT = {
    "BENTOML_DO_NOT_TRACK": "true",
    "ORT_DISABLE_TELEMETRY": "1",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(2 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(2 * 2**20),
}
BACKLOG = 1024  # connections that wait to be accepted


def listening(host: str, port: int) -> socket.socket:
    """A socket on that address, or one sentence where it cannot be had."""
    try:
        listener = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        sys.exit(f"error: Cannot listen on {host}:{port} ({error.strerror}). End what listens there, or choose --port.")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else an answer in two parts waits for 40 ms
    return listener
