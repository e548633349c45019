"""How the service behaves where it runs: limits, keys, devices, and where predictions are logged, from the environment.

What the model decides by is not here: that stands in its card.
"""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.errors import ReleaseError
from pipelines.inference import Device

PREFIX = "FILMGATE_"
MOST_SECONDS = 120
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of processor time, and of how many


def cores(quota: Path = QUOTA) -> int:
    """Processors that this process may use, and no more than its container's share of them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        share, period = quota.read_text().split()
        return max(1, min(cores, int(share) // int(period)))
    except (OSError, ValueError):
        return cores


class Settings(BaseModel):
    """What the environment says; each setting is FILMGATE_ and its name in capitals.

    Args:
        api_key: what a client must send as `X-API-Key` to be answered; empty: nothing.
        cors_origins: web pages whose scripts may ask, separated by commas; `*` for all.
        max_upload_mib: of one request, in MiB.
        max_pixels: of one film; a larger one is refused before it is decoded.
        max_seconds: from the first byte of a request to its answer.
        max_in_flight: requests that are read or answered at a time; what comes beyond is told to come again.
        max_in_flight_mib: what they may hold together.
        max_batch: films of waiting requests that go through the model together.
        lanes: batches that the model works on at a time.
        threads: processor threads of a batch; 0 means all.
        device: `cpu`, or `cuda` with ONNX Runtime's GPU build.
        prediction_log: folder of the prediction log; empty: none is kept.
        prediction_log_mib: size at which a new file is begun.
        prediction_log_files: older files that are kept.
        drain_seconds: how long a server that was told to end still answers before it stops listening.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: str = ""
    cors_origins: str = ""
    max_upload_mib: Annotated[int, Field(gt=0)] = 64
    max_pixels: Annotated[int, Field(gt=0)] = 50_000_000
    max_seconds: Annotated[float, Field(gt=0, le=MOST_SECONDS)] = 30.0
    max_in_flight: Annotated[int, Field(gt=0)] = 32
    max_in_flight_mib: Annotated[int, Field(gt=0)] = 512
    max_batch: Annotated[int, Field(gt=0)] = 8
    lanes: Annotated[int, Field(gt=0)] = Field(default_factory=cores)
    threads: Annotated[int, Field(ge=0)] = 1
    device: Device = "cpu"
    prediction_log: str = ""
    prediction_log_mib: Annotated[int, Field(gt=0)] = 64
    prediction_log_files: Annotated[int, Field(gt=0)] = 20
    drain_seconds: Annotated[float, Field(ge=0)] = 1.0

    @property
    def origins(self) -> list[str]:
        """The pages of `cors_origins`, one by one."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]

    @property
    def log_folder(self) -> Path | None:
        """Where predictions are logged."""
        return Path(self.prediction_log) if self.prediction_log else None


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of an environment.

    Raises:
        ReleaseError: one of them is not what it must be.
    """
    names = {name: PREFIX + name.upper() for name in Settings.model_fields}
    try:
        return Settings.model_validate({name: environment[key] for name, key in names.items() if environment.get(key)})
    except ValidationError as error:
        first = error.errors()[0]
        key = names[str(first["loc"][0])]
        raise ReleaseError(
            f"{key} is {environment[key]!r}: {first['msg'].lower()}. Correct it, or unset it for the usual value."
        ) from None


@cache
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        ReleaseError: one of them is not what it must be.
    """
    return read_settings()
