import logging
import os
import subprocess
import sys

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import FailedRun
from prefect.flow_engine import run_flow
from prefect.logging.loggers import flow_run_logger
from prefect.states import Failed

from flows.noise import SAID_ALREADY, without_noise
from flows.notify import about_failure

SPOKEN = (
    "I0000 00:00:17 port.cc:153] oneDNN is on\nerror: a patient is in two splits\nWARNING: a real one\n"
    "WARNING:tensorflow:5 out of the last 8 calls to <function predict> triggered tf.function retracing. Dear.\n"
)


def test_notices_vanish_and_everything_else_is_passed_on(capfd):
    with without_noise():
        subprocess.run([sys.executable, "-c", f"import sys; sys.stderr.write({SPOKEN!r})"], check=True)
        os.write(2, b"from this process\n")
    assert capfd.readouterr().err == "error: a patient is in two splits\nWARNING: a real one\nfrom this process\n"


def test_afterwards_the_stream_is_as_it_was(capfd):
    with without_noise():
        pass
    os.write(2, b"I0000 a notice\n")
    assert capfd.readouterr().err == "I0000 a notice\n"


@flow(on_failure=[about_failure])
def missed():
    return Failed(message="the gate was missed")


@flow(on_failure=[about_failure])
def broken():
    raise ZeroDivisionError


@pytest.fixture
def logged():
    """What the loggers of runs are given while the test lasts."""
    records, logger = [], logging.getLogger("prefect.flow_runs")
    handler = logging.Handler()
    handler.emit = records.append
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)
    logger.removeFilter(SAID_ALREADY)


@pytest.mark.parametrize(("started", "raised"), [(missed, FailedRun), (broken, ZeroDivisionError)])
def test_a_deployed_run_that_failed_in_its_own_words_logs_no_traceback(server, logged, started, raised):
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(started)
    with pytest.raises(raised):
        run_flow(started, flow_run=run, error_logger=flow_run_logger(run, started))
    assert any(record.exc_info for record in logged) == (started is broken)
    with get_client(sync_client=True) as client:
        said = client.read_flow_run(run.id).state.message
    assert started is broken or said == "the gate was missed"
