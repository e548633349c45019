"""A project with its own `make server`: a lasting Prefect server, the deployments, and a worker."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import psutil

FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class House:
    """`python -m flows.up` in a project, on a port of its own, with a home of its own for Prefect."""

    def __init__(self, root, home, port):
        self.root, self.port = root, port
        self.address = f"http://127.0.0.1:{port}/api"
        self._home = home
        self._log = home / "up.log"
        self.environment = {
            **os.environ,
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.address,
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PYTHONFAULTHANDLER": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self._process = None

    def start(self):
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows.up", "--port", str(self.port)],
                cwd=self.root,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + 240
        while "Prefect runs on" not in self._log.read_text():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < end, self._log.read_text()
            time.sleep(0.2)
        self._pause_schedules()

    def _pause_schedules(self):
        """Let runs begin when a test says so, whatever the hour; a schedule of its own a test adds."""
        for deployment in self.ask("/deployments/filter"):
            for schedule in deployment["schedules"]:
                self.ask(f"/deployments/{deployment['id']}/schedules/{schedule['id']}", {"active": False}, "PATCH")

    def stop(self):
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=90)

    def ask(self, path, body=None, method="POST"):
        """What the server's API answers."""
        data = None if method == "GET" else json.dumps(body or {}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}{path}", data, headers, method=method)
        for pause in (0.5, 1, 2, 4, None):  # a busy server says 503, and Prefect's own clients ask again
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    content = answer.read()
                return json.loads(content) if content else None
            except urllib.error.HTTPError as error:
                if error.code != 503 or pause is None:
                    raise
                time.sleep(pause)
            except TimeoutError:
                raise AssertionError(f"no answer to {method} {path}: {self._stacks()}") from None
        raise AssertionError

    def _stacks(self):
        """Where the threads of a server stand that does not answer, and what it said before; it ends by that."""
        for child in psutil.Process(self._process.pid).children():
            if "server" in child.cmdline():
                child.send_signal(signal.SIGABRT)
        time.sleep(2)
        return (self.root / ".filmgate" / "server" / "server.log").read_text()[-20000:]

    def trigger(self, name, **parameters):
        """Start a run of a deployment: its id."""
        deployment = self.ask(f"/deployments/name/{name}", method="GET")
        return self.ask(f"/deployments/{deployment['id']}/create_flow_run", {"parameters": parameters})["id"]

    def runs(self, name):
        """Runs of a deployment that somebody started, the newest first."""
        deployment = self.ask(f"/deployments/name/{name}", method="GET")["id"]
        found = self.ask(
            "/flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}, "sort": "EXPECTED_START_TIME_DESC"}
        )
        return [run for run in found if not run["auto_scheduled"]]

    def run(self, identity):
        return self.ask(f"/flow_runs/{identity}", method="GET")

    def wait(self, identity, *kinds, seconds=400):
        """The run, once its state is one of these kinds, or one of the last ones."""
        end = time.monotonic() + seconds
        while (run := self.run(identity))["state_type"] not in (*kinds, *FINAL):
            assert time.monotonic() < end, (run["state_name"], self.worker_log()[-2000:])
            time.sleep(0.3)
        return run

    def worker_log(self):
        log = self.root / ".filmgate" / "server" / "worker.log"
        return log.read_text() if log.is_file() else ""

    def command(self, *words):
        """A command of the project: exit status and output."""
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=self.root, env=self.environment, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    @contextmanager
    def serve(self, recipe):
        """The address at which a recipe's production is served while the block lasts."""
        log = self._home / f"serve-{recipe}.log"
        with log.open("w") as file:
            server = subprocess.Popen(
                [sys.executable, "-m", "serving.serve", "--recipe", recipe, "--port", "0"],
                cwd=self.root,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            end = time.monotonic() + 120
            while " on http://" not in (said := log.read_text()):
                assert server.poll() is None, said
                assert time.monotonic() < end, said
                time.sleep(0.1)
            yield said.split(" on ")[1].split()[0]
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=60) == 0, log.read_text()

    def git(self, *words):
        done = subprocess.run(["git", *words], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()
