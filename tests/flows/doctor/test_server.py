"""What the doctor asks a Prefect server: a real one, without pool and deployments at first."""

from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Paused, Pending, Scheduled

from flows.doctor.finding import DoubtError, TroubleError
from flows.doctor.server import Server
from flows.up import POOL
from pipelines.recipe_file import read_yaml
from tests.flows.projects import ROOT

DEPLOYMENTS = [one["name"] for one in read_yaml(ROOT / "prefect.yaml")["deployments"]]


@pytest.fixture
def asked(server):
    return Server(ROOT)


def test_a_server_that_is_configured_and_silent_fails():
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        ((name, reached),) = Server(ROOT).checks()
        with pytest.raises(TroubleError, match=r"The Prefect server http://127.0.0.1:9/api does not answer"):
            reached()
    assert name == "Prefect server"


def test_a_server_is_asked_for_version_time_worker_deployments_and_waiting_runs(asked):
    assert [name for name, _ in asked.checks()] == [
        "Prefect server",
        "Prefect version",
        "server's clock",
        "worker",
        "deployments",
        "waiting runs",
    ]
    assert asked.reached().endswith(" answers")
    assert asked.same_version().endswith(", as here")
    assert asked.same_time() == "less than a minute from this machine's"


def test_another_version_of_the_server_fails(asked, monkeypatch):
    monkeypatch.setattr("flows.doctor.server.version", lambda name: "3.1.0")
    with pytest.raises(TroubleError, match=r"The server is Prefect \S+. Expected 3.1.0, as here"):
        asked.same_version()


def test_a_clock_that_differs_from_the_servers_fails(asked, monkeypatch):
    class Late(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime.now(zone) - timedelta(minutes=3)

    monkeypatch.setattr("flows.doctor.server.datetime", Late)
    with pytest.raises(TroubleError, match=r"\+1[78]\d s from this machine's"):
        asked.same_time()


def test_worker_and_deployments_are_missing_until_they_are_there(asked):
    with pytest.raises(TroubleError, match="There is no work pool filmgate"):
        asked.worker()
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        with pytest.raises(TroubleError, match=r"No worker of the pool filmgate is online \(0 known\)"):
            asked.worker()
        client.send_worker_heartbeat(POOL, "night shift")
        assert asked.worker() == "night shift"
        for name in DEPLOYMENTS[:-1]:
            client.create_deployment(client.create_flow_from_name(name), name=name, work_pool_name=POOL)
        with pytest.raises(TroubleError, match=f"No deployment {DEPLOYMENTS[-1]}"):
            asked.deployments()
        last = client.create_flow_from_name(DEPLOYMENTS[-1])
        made = client.create_deployment(last, name=DEPLOYMENTS[-1], work_pool_name=POOL)
        assert asked.deployments() == ", ".join(DEPLOYMENTS)
        client.pause_deployment(made)
        with pytest.raises(DoubtError, match=f"Paused: {DEPLOYMENTS[-1]}"):
            asked.deployments()


def test_runs_that_wait_in_vain_are_named_and_those_that_wait_for_people_are_counted(asked):
    with get_client(sync_client=True) as client:
        made = client.create_deployment(client.create_flow_from_name("slow"), name="slow", work_pool_name=None)
        assert asked.waiting() == "none in vain"

        def run(state):
            return client.create_flow_run_from_deployment(made, state=state, name="ward run")

        run(Pending())
        run(Paused(timeout_seconds=3600))
        assert asked.waiting() == "none in vain, 1 for approval"
        run(Scheduled(scheduled_time=datetime.now(UTC) - timedelta(hours=3)))
        with pytest.raises(DoubtError, match=r"1 runs wait for more than an hour, e.g. ward run"):
            asked.waiting()
