"""A project with tags and releases, the server that follows its production, and clients that never stop asking."""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from pipelines.card import sha256

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds until a test gives up


class Project:
    """A checkout with its tags and the releases that they name."""

    def __init__(self, root):
        self.root, self.promotions = root, 0
        for part in ("serving", "pipelines"):
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        self.git("init", "--quiet")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")
        self.git("commit", "--quiet", "--allow-empty", "--message", "A project")

    def git(self, *words):
        subprocess.run(["git", "-C", str(self.root), *words], check=True, capture_output=True)

    def register(self, version, release):
        """Give a release its version, and put it where the deploy command does; its folder."""
        note = json.loads((release / "release.json").read_text())
        bento = release / note["bento"]
        model = next(release.glob("*.bento")).stem.rpartition("-")[2]
        place = self.root / ".filmgate/registry/demo" / f"{model}-{sha256(bento)[:8]}"
        folder = shutil.copytree(release, place, dirs_exist_ok=True)
        trailers = {
            "Model": model,
            "Model-SHA256": note["model_sha256"],
            "Bento": bento.name,
            "Bento-SHA256": sha256(bento),
        }
        self._tag(f"demo@{version}", trailers)
        return folder

    def promote(self, version):
        self.promotions += 1
        self._tag(f"demo#production#{self.promotions}", {"Version": version})

    def _tag(self, name, trailers):
        lines = "\n".join(f"{key}: {value}" for key, value in trailers.items())
        self.git("tag", "--annotate", name, "--message", f"{name}\n\n{lines}")

    @contextmanager
    def served(self, **environment):
        """`python -m serving.serve` in this checkout."""
        command = [sys.executable, "-m", "serving.serve", "--recipe", "demo", "--port", "0"]
        log = self.root / "said.txt"
        with log.open("wb") as said:
            process = subprocess.Popen(
                command, cwd=self.root, env=os.environ | environment, stdout=said, stderr=subprocess.STDOUT
            )
        server = Running(process, log)
        try:
            yield server
        finally:
            processes = server.processes()
            process.terminate()
            process.wait()
            for child in psutil.wait_procs(processes, timeout=PATIENCE)[1]:
                child.kill()


class Running:
    """A started server, and what it said."""

    def __init__(self, process, log):
        self.process, self.log = process, log

    @property
    def said(self):
        return self.log.read_text()

    def waits_for(self, words, times=1):
        until(lambda: self.said.count(words) >= times or self.process.poll() is not None)
        assert self.said.count(words) >= times, self.said
        return self

    @property
    def port(self):
        return int(re.search(r"^Serving \S+ on http://127\.0\.0\.1:(\d+)$", self.said, re.M)[1])

    def processes(self):
        """The supervisor and all that it started."""
        try:
            supervisor = psutil.Process(self.process.pid)
            return [supervisor, *supervisor.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def hosts(self):
        """Those of them that serve."""
        return [process for process in self.processes()[1:] if any("host.py" in word for word in words_of(process))]


def words_of(process):
    """Its command line; none of a process that ended while it was asked."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def until(true):
    begun = time.monotonic()
    while not true() and time.monotonic() - begun < PATIENCE:
        time.sleep(0.02)


class Client(threading.Thread):
    """Sends a film every 20 ms, over one connection after the other, or over one that it keeps while it may."""

    def __init__(self, port, film, keeps):
        super().__init__(daemon=True)
        self._port, self._keeps = port, keeps
        request = httpx.Request("POST", "http://films/predict", files={"image": film})
        self._film, self._type = request.read(), request.headers["content-type"]
        self.versions, self.failures, self._over = [], [], threading.Event()

    def run(self):
        connection = None
        while not self._over.wait(0.02):
            if connection is None or not self._keeps:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
            try:
                self._ask(connection)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(error)
                connection = None
            if connection and not self._keeps:
                connection.close()
        if connection:
            connection.close()

    def _ask(self, connection):
        connection.request("POST", "/predict", self._film, {"Content-Type": self._type})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status == 200:
            self.versions.append(json.loads(content)["model"]["version"])
        else:
            self.failures.append((answer.status, content))

    def seen(self, version):
        return bool(self.versions) and self.versions[-1] == version

    def end(self):
        self._over.set()
        self.join()

    @property
    def story(self):
        """The versions in their order, each as often as it came anew."""
        return [now for before, now in zip([None, *self.versions], self.versions, strict=False) if now != before]


@contextmanager
def clients(port, film):
    """One client of each kind."""
    both = [Client(port, film, keeps) for keeps in (False, True)]
    for client in both:
        client.start()
    try:
        yield both
    finally:
        for client in both:
            client.end()
