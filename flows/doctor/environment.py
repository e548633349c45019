"""Variables of the environment whose names begin with FILMGATE_: whether each is known, and is what it must be.

No value is ever printed: addresses of notifications and API keys are secrets.
"""

import difflib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from apprise import Apprise

from flows.doctor.finding import DoubtError, TroubleError
from flows.notify import VARIABLE as NOTIFY
from flows.project import VARIABLE as PROJECT
from pipelines.parallel import ADDRESS
from pipelines.stage import FAULT_FILE, PARENT
from pipelines.stage import SECONDS as STAGE_SECONDS
from serving.settings import PREFIX, Settings, read_settings

OTHERS = frozenset(
    {
        NOTIFY,
        ADDRESS,
        PROJECT,
        "FILMGATE_SOURCE",  # prefect.yaml
        "FILMGATE_BRANCH",
        "FILMGATE_SERVICE",  # the web page
        "FILMGATE_TIMEOUT",
        "FILMGATE_REAL_DATA",  # tests
        FAULT_FILE,
        PARENT,
        STAGE_SECONDS,
    }
)
SECONDS = 5  # for the scheduler of a Dask cluster to answer


def known() -> frozenset[str]:
    """Every variable that some part of filmgate reads."""
    return OTHERS | {PREFIX + name.upper() for name in Settings.model_fields}


def variables(environment: Mapping[str, str] = os.environ) -> str:
    """Whether all of them are known, and what the service would start with."""
    read_settings(environment)
    found = sorted(name for name in environment if name.startswith(PREFIX))
    for name in found:
        if name not in known():
            near = difflib.get_close_matches(name, known(), n=1)
            do = f"Did you mean {near[0]}? Rename or unset it." if near else "Unset it."
            raise DoubtError(f"{name} is set, and nothing reads it", "a variable of docs/serving.md or the guides", do)
    if (folder := environment.get("FILMGATE_REAL_DATA")) and not Path(folder).is_dir():
        raise DoubtError("FILMGATE_REAL_DATA names no folder", "the folder of real films", "Correct or unset it.")
    return ", ".join(found) or "none set"


def notifications(environment: Mapping[str, str] = os.environ) -> str:
    """Whether Apprise understands every address of FILMGATE_NOTIFY; nothing is sent."""
    addresses = environment.get(NOTIFY, "").split()
    if not addresses:
        do = f"Set {NOTIFY} to an address of Apprise, such as mailto://user:password@example.org."
        raise DoubtError(f"{NOTIFY} is not set", "an address, so that somebody hears of failures and approvals", do)
    for number, address in enumerate(addresses, start=1):
        if not Apprise().add(address):
            kind = urlsplit(address).scheme or "no scheme"
            found = f"Address {number} of {len(addresses)} in {NOTIFY} ({kind}) is none that Apprise understands"
            raise TroubleError(found, "kind://...", "Correct it: `apprise --details` lists every kind.")
    kinds = ", ".join(urlsplit(address).scheme for address in addresses)
    return f"{len(addresses)} understood ({kinds}); nothing was sent"


def cluster(environment: Mapping[str, str] = os.environ) -> str:
    """Whether something answers where FILMGATE_DASK points."""
    if not (address := environment.get(ADDRESS)):
        return "not used: the data stages run on this machine"
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 8786), timeout=SECONDS):
            return f"a scheduler listens at {address}"
    except (OSError, ValueError) as error:
        do = f"Start the scheduler in the project (python -m dask scheduler), or unset {ADDRESS}."
        raise TroubleError(
            f"Nothing answers at {address} ({error})", "a Dask scheduler (tcp://host:8786)", do
        ) from None
