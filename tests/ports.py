"""Ports of this machine that nobody listens on."""

import socket


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]
