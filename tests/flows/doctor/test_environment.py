import re
import socket

import pytest

from flows.doctor import environment
from flows.doctor.finding import DoubtError, TroubleError
from pipelines.errors import ReleaseError
from tests.flows.projects import ROOT


def test_a_variable_that_nothing_reads_is_named_with_its_nearest(house):
    assert environment.variables({"HOME": "x"}) == "none set"
    assert environment.variables({"FILMGATE_MAX_BATCH": "4"}) == "FILMGATE_MAX_BATCH"
    with pytest.raises(DoubtError, match="Did you mean FILMGATE_MAX_BATCH"):
        environment.variables({"FILMGATE_MAX_BATHC": "4"})
    with pytest.raises(ReleaseError, match="FILMGATE_MAX_BATCH is 'many'"):
        environment.variables({"FILMGATE_MAX_BATCH": "many"})


def test_every_variable_that_the_code_reads_is_known():
    written = set()
    for folder in ("pipelines", "flows", "serving"):
        for path in (ROOT / folder).rglob("*.py"):
            written |= {name.strip("\"'") for name in quoted(path.read_text())}
    assert written <= environment.known()


def quoted(code):
    """Names of variables in quotes; what is longer than a name is a sentence."""
    return re.findall(r"""["']FILMGATE_[A-Z_]+["']""", code)


def test_addresses_of_notifications_are_understood_or_counted_without_showing_them():
    with pytest.raises(DoubtError, match="FILMGATE_NOTIFY is not set"):
        environment.notifications({})
    good = "json://localhost/hook mailto://ann:secret@example.org"
    assert environment.notifications({"FILMGATE_NOTIFY": good}) == "2 understood (json, mailto); nothing was sent"
    with pytest.raises(TroubleError, match=r"Address 2 of 2 in FILMGATE_NOTIFY \(nonsense\)") as raised:
        environment.notifications({"FILMGATE_NOTIFY": "json://localhost/hook nonsense://ann:secret@x"})
    assert "secret" not in str(raised.value)


def test_a_dask_scheduler_is_looked_for_where_the_variable_points():
    assert environment.cluster({}).startswith("not used")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        listening.listen()
        assert address in environment.cluster({"FILMGATE_DASK": address})
    with pytest.raises(TroubleError, match="Nothing answers at"):
        environment.cluster({"FILMGATE_DASK": address})
