import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import psutil
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import server


@pytest.fixture
def local_server(monkeypatch):
    """Something on 127.0.0.1 that says it is well."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Healthy) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{http.server_port}/api"
        monkeypatch.setattr(server, "LOCAL", address)
        yield address
        http.shutdown()


def test_a_configured_server_comes_first(local_server):
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), server.nearest_server() as address:
        assert address == "http://127.0.0.1:9/api"


def test_a_local_server_that_runs_is_used(local_server):
    with temporary_settings(restore_defaults={PREFECT_API_URL}), server.nearest_server() as address:
        assert address == local_server
        assert PREFECT_API_URL.value() == local_server


def test_without_any_server_a_temporary_one_is_announced(monkeypatch, capsys):
    monkeypatch.setattr(server, "LOCAL", "http://127.0.0.1:9/api")
    monkeypatch.setattr(server, "_temporary", lambda: "http://127.0.0.1:10/api")
    with temporary_settings(restore_defaults={PREFECT_API_URL}), server.nearest_server():
        assert PREFECT_API_URL.value() == "http://127.0.0.1:10/api"
    assert "make server" in capsys.readouterr().out


def test_a_temporary_server_that_does_not_start_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr(server, "SERVER", "flows.no_such_module")
    with pytest.raises(SystemExit, match=r"^error: A temporary Prefect server does not start: .*no_such_module"):
        server._temporary()


LONG = """
import sys
import time
from prefect import flow, task
from flows.server import answering, exit_unless_completed, nearest_server

@task
def step(number):
    print("step", number, flush=True)
    time.sleep(1)

@flow
def long():
    for number in range(int(sys.argv[1])):
        step(number)

with nearest_server(), answering():
    state = long(return_state=True)
exit_unless_completed(state)
"""


def begun(folder, steps, **environment):
    """A process whose flow runs, and has said so."""
    process = subprocess.Popen(
        [sys.executable, "-c", LONG, str(steps)],
        env={**os.environ, "PREFECT_HOME": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert any("step 1" in line for line in process.stdout)
    return process


@pytest.mark.slow
def test_a_command_that_is_told_to_end_leaves_no_temporary_server(tmp_path, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    process = begun(tmp_path, 100)
    servers = psutil.Process(process.pid).children(recursive=True)
    assert servers
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert psutil.wait_procs(servers, timeout=30)[1] == []


@pytest.mark.slow
def test_a_server_that_goes_away_in_mid_run_is_told_in_one_sentence(tmp_path):
    port = server.free_port()
    address = f"http://127.0.0.1:{port}/api"
    order = [server.SERVER, "--host", "127.0.0.1", "--port", str(port)]
    served = subprocess.Popen(
        [sys.executable, "-m", "flows.child", str(os.getpid()), *order],
        env={**os.environ, "PREFECT_HOME": str(tmp_path / "server")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert server.appears(address, served)
        process = begun(tmp_path, 6, PREFECT_API_URL=address, PREFECT_CLIENT_MAX_RETRIES="1")
        os.killpg(served.pid, signal.SIGKILL)
        _, err = process.communicate(timeout=240)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(served.pid, signal.SIGKILL)
        served.wait()
    assert process.returncode == 1
    assert err.splitlines()[-1].startswith(f"error: The Prefect server at {address} went away in the run")
