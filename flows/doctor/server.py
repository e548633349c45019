"""Prefect: the server that runs report to, its worker and deployments, and runs that wait in vain."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from httpx import HTTPStatusError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import server as servers
from flows.doctor.finding import Check, DoubtError, TroubleError
from flows.up import POOL
from pipelines.recipe_file import read_yaml

PATIENCE = timedelta(hours=1)  # of a run that should have begun
LARGEST_LEAD = timedelta(minutes=1)
NOT_FOUND = 404
SECONDS = 10.0  # for an answer
START = "Start it: make server."


class Server:
    """The server that a run would use now, asked as Prefect's own client asks, with its keys."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def address(self) -> str:
        """Where it is, or would be if it ran."""
        return PREFECT_API_URL.value() or servers.LOCAL

    def checks(self) -> list[Check]:
        """All checks; where there is no server to ask, the first says so, and is the only one."""
        checks: list[Check] = [("Prefect server", self.reached)]
        if self._healthy:
            checks += [
                ("Prefect version", self.same_version),
                ("server's clock", self.same_time),
                ("worker", self.worker),
                ("deployments", self.deployments),
                ("waiting runs", self.waiting),
            ]
        return checks

    def reached(self) -> str:
        """Whether it answers."""
        if not self._healthy and not PREFECT_API_URL.value():
            found = "No Prefect server runs, so that each run starts a temporary one and no schedule is kept"
            raise DoubtError(found, f"one at {servers.LOCAL}, or PREFECT_API_URL", START)
        if not self._healthy:
            do = "Start it (make server), correct PREFECT_API_URL, or unset it: prefect config unset PREFECT_API_URL."
            raise TroubleError(f"The Prefect server {self.address} does not answer ({self._fault})", "an answer", do)
        return f"{self.address} answers"

    def same_version(self) -> str:
        """Whether server and client are of one version."""
        found, ours = str(self._ask("GET", "/admin/version")), version("prefect")
        if found != ours:
            do = "Install requirements.lock on both machines, and start the server again."
            raise TroubleError(f"The server is Prefect {found}", f"{ours}, as here", do)
        return f"{found}, as here"

    def same_time(self) -> str:
        """Whether its clock goes with ours: schedules and time-outs are reckoned by both."""
        with self._client() as client:
            said = client.request("GET", "/health").headers.get("date")
        if not said:
            return "it does not tell the time"
        lead = parsedate_to_datetime(said) - datetime.now(UTC)
        if abs(lead) > LARGEST_LEAD:
            found = f"The server's clock is {lead.total_seconds():+.0f} s from this machine's"
            raise TroubleError(found, f"{LARGEST_LEAD.seconds} s at most", "Set both by NTP.")
        return "less than a minute from this machine's"

    def worker(self) -> str:
        """Whether a worker takes the runs of the pool."""
        try:
            workers = self._ask("POST", f"/work_pools/{POOL}/workers/filter", {})
        except LookupError:
            raise TroubleError(f"There is no work pool {POOL}", "one, with a worker", START) from None
        online = [worker["name"] for worker in workers if worker.get("status") == "ONLINE"]
        if not online:
            found = f"No worker of the pool {POOL} is online ({len(workers)} known), so that no run begins"
            raise TroubleError(found, "one", START)
        return ", ".join(online)

    def deployments(self) -> str:
        """Whether all deployments of prefect.yaml are there and none is paused."""
        wanted = [str(one["name"]) for one in read_yaml(self._root / "prefect.yaml")["deployments"]]
        known = {one["name"]: one for one in self._ask("POST", "/deployments/filter", {})}
        if missing := [name for name in wanted if name not in known]:
            raise TroubleError(f"No deployment {', '.join(missing)}", ", ".join(wanted), START)
        if paused := [name for name in wanted if known[name].get("paused")]:
            do = f"prefect deployment resume {paused[0]}/{paused[0]}"
            raise DoubtError(f"Paused: {', '.join(paused)}", "deployments that run when they are due", do)
        return ", ".join(wanted)

    def waiting(self) -> str:
        """Whether runs wait that should have begun, or for an answer that can no longer come."""
        states = {"type": {"any_": ["SCHEDULED", "PENDING", "PAUSED"]}}
        found = self._ask(
            "POST", "/flow_runs/filter", {"flow_runs": {"state": states}, "sort": "EXPECTED_START_TIME_ASC"}
        )
        stuck = [run for run in found if _stuck(run, datetime.now(UTC))]
        if stuck:
            run = stuck[0]
            found = f"{len(stuck)} runs wait for more than an hour, e.g. {run['name']} ({run['state']['name']})"
            do = f"See that a worker is online, or end them: prefect flow-run cancel {run['id']}"
            raise DoubtError(found, "runs that begin when they are due", do)
        approvals = sum(run["state_type"] == "PAUSED" for run in found)
        return f"none in vain, {approvals} for approval" if approvals else "none in vain"

    @cached_property
    def _healthy(self) -> bool:
        self._fault = ""
        try:
            return bool(self._ask("GET", "/health"))
        except Exception as error:  # no address, no connection, no Prefect
            self._fault = next(iter(str(error).splitlines()), "") or type(error).__name__
            return False

    def _client(self) -> SyncPrefectClient:
        with temporary_settings({PREFECT_API_URL: self.address}):
            return get_client(httpx_settings={"timeout": SECONDS}, sync_client=True)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the server says, read from JSON.

        Raises:
            LookupError: it knows nothing at this address.
        """
        with self._client() as client:
            try:
                return client.request(method, path, **({} if body is None else {"json": body})).json()
            except HTTPStatusError as error:
                if error.response.status_code == NOT_FOUND:
                    raise LookupError(path) from None
                raise


def _stuck(run: dict[str, Any], now: datetime) -> bool:
    """Whether a run waits in vain: it is due, or about to begin, for an hour, or its pause timed out that long ago."""
    state = run["state"]
    details = state.get("state_details") or {}
    wanted = {"PAUSED": details.get("pause_timeout"), "SCHEDULED": details.get("scheduled_time")}
    due = wanted.get(state["type"], state["timestamp"])
    return due is not None and datetime.fromisoformat(due) + PATIENCE < now
