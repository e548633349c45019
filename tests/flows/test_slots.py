"""One training at a time: who waits for the slot, and what frees it."""

import os
import select
import subprocess
import sys
from contextlib import contextmanager

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

from flows.project import HERE
from flows.slots import SLOT, slot

HOLDER = """
import sys
from flows.slots import slot

with slot(wanted=True):
    print("held", flush=True)
    sys.stdin.read()
"""
STARTS = 60.0  # seconds in which a process has imported Prefect and holds a slot that is free
WAITS = 10.0  # seconds of silence that count as waiting
FREED = 180.0  # seconds in which a lost slot must have come back


@contextmanager
def training(server):
    """Another process that holds the slot as soon as it gets it, and until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=HERE,
        env={**os.environ, "PREFECT_API_URL": server},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def holds(process, seconds):
    """Whether a process comes to hold the slot within these seconds."""
    said, _, _ = select.select([process.stdout], [], [], seconds)
    return bool(said) and process.stdout.readline() == b"held\n"


@pytest.fixture
def one_slot(server):
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=SLOT, limit=1))
        yield
        client.delete_global_concurrency_limit_by_name(SLOT)


def test_where_nobody_made_a_slot_nobody_waits(server):
    with training(server) as first, slot(wanted=True):
        assert holds(first, STARTS)


def test_a_second_training_waits_until_the_first_has_ended(server, one_slot):
    with training(server) as first:
        assert holds(first, STARTS)
        with slot(wanted=False):
            pass  # other stages never wait
        with training(server) as second:
            assert not holds(second, WAITS)
            first.stdin.close()  # it ends
            assert holds(second, STARTS)


@pytest.mark.slow
def test_a_killed_training_loses_the_slot(server, one_slot):
    with training(server) as first:
        assert holds(first, STARTS)
        with training(server) as second:
            assert not holds(second, WAITS)
            first.kill()
            assert holds(second, FREED)
