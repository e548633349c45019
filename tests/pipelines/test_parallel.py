import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from distributed import LocalCluster

from pipelines.errors import ChainError
from pipelines.parallel import ADDRESS, each, shards
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


def alive(process):
    """Whether a process runs; one that ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def double(numbers):
    return [2 * number for number in numbers]


def test_items_come_in_shards_in_order():
    assert list(shards(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(shards([], 3)) == []


def test_results_come_in_the_order_of_the_parts():
    assert list(each(double, shards(range(100), 7))) == [double(part) for part in shards(range(100), 7)]


def test_processes_give_the_same_as_threads(monkeypatch):
    monkeypatch.setattr("pipelines.parallel.MANY", 3)
    assert list(each(double, shards(range(100), 7))) == [double(part) for part in shards(range(100), 7)]


def test_worker_processes_end_with_the_one_that_started_them():
    code = (
        "import os, time; from pipelines import parallel; from tests_parallel_work import slow; parallel.MANY = 3; "
        "print(*(pid for pid in parallel.each(slow, range(8))), flush=True)"
    )
    script = "import os, time\ndef slow(part):\n    print(os.getpid(), flush=True)\n    time.sleep(60)\n"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tests_parallel_work.py").write_text(script)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, str(ROOT)])}
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
        worker = int(process.stdout.readline())
        process.kill()
        process.wait()
        process.stdout.close()
    end = time.monotonic() + 20
    while alive(worker) and time.monotonic() < end:
        time.sleep(0.1)
    assert not alive(worker)


def test_two_worker_processes_give_the_same(monkeypatch, cluster_address):
    monkeypatch.setenv(ADDRESS, cluster_address)
    assert list(each(double, shards(range(100), 7))) == [double(part) for part in shards(range(100), 7)]


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch):
    monkeypatch.setattr("pipelines.parallel.PATIENCE", "0.2s")
    monkeypatch.setenv(ADDRESS, "tcp://127.0.0.1:9")
    with pytest.raises(ChainError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9 .* unset FILMGATE_DASK"):
        list(each(double, [[1]]))


def test_a_cluster_without_workers_is_one_sentence(monkeypatch):
    monkeypatch.setattr("pipelines.parallel.PATIENCE", "0.5s")
    with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        monkeypatch.setenv(ADDRESS, cluster.scheduler_address)
        with pytest.raises(ChainError, match=r"The Dask scheduler at tcp://.* has no worker\. A worker: python -m"):
            list(each(double, [[1]]))


def test_a_cluster_that_was_started_elsewhere_is_one_sentence(monkeypatch, tmp_path):
    dask, port = str(Path(sys.executable).parent / "dask"), str(free_port())
    scheduler = [dask, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
    worker = [dask, "worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    started = [subprocess.Popen(command, cwd=tmp_path) for command in (scheduler, worker)]
    monkeypatch.setattr("pipelines.parallel.PATIENCE", "60s")
    monkeypatch.setenv(ADDRESS, f"tcp://127.0.0.1:{port}")
    try:
        with pytest.raises(ChainError, match=r"does not know this project \(\w+\)\. Start scheduler and workers"):
            list(each(double, [[1]]))
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()
