"""How quickly a live service answers while a handful of requests are with it at a time."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from serving.check.live import CheckError, Live, wait

LONGEST_PAUSE = 1.0  # seconds; a service that is busy all the time shall be asked more than once


@dataclass(frozen=True)
class Latency:
    """What was measured.

    Args:
        milliseconds: of every request that was answered, rising; not empty.
        busy: requests that were told to come again.
        seconds: how long was measured.
    """

    milliseconds: list[float]
    busy: int
    seconds: float

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of requests was answered, in (0, 1]."""
        return self.milliseconds[max(0, -int(-share * len(self.milliseconds) // 1) - 1)]

    def __str__(self) -> str:
        middle, most, nearly_all = (self.percentile(share) for share in (0.5, 0.95, 0.99))
        rate = len(self.milliseconds) / self.seconds
        return (
            f"p50 {middle:.0f} ms, p95 {most:.0f} ms, p99 {nearly_all:.0f} ms of {len(self.milliseconds)} answers; "
            f"{rate:.1f} a second; {self.busy} told to come again (503)"
        )


def measure(live: Live, film: bytes, seconds: float, requests: int) -> Latency:
    """Send a film again and again.

    Args:
        seconds: how long; each of the requests is sent once at least.
        requests: how many are with the service at a time.
    Raises:
        CheckError: a request is answered with neither 200 nor 503, or none is answered with 200.
    """
    begun = time.perf_counter()

    def one_after_another(_: int) -> tuple[list[float], int]:
        answered, busy = list[float](), 0
        while not (answered or busy) or time.perf_counter() - begun < seconds:
            took = _once(live, film)
            if took is None:
                busy += 1
            else:
                answered.append(took)
        return answered, busy

    with ThreadPoolExecutor(requests) as threads:
        done = list(threads.map(one_after_another, range(requests)))
    lasted = time.perf_counter() - begun
    milliseconds = sorted(took for answered, _ in done for took in answered)
    if not milliseconds:
        raise CheckError("Every request was told to come again (503)", "answers", "Give the service more replicas.")
    return Latency(milliseconds, sum(busy for _, busy in done), lasted)


def _once(live: Live, film: bytes) -> float | None:
    """Milliseconds until a film was answered; None where the service was busy, after the pause that it asked for."""
    begun = time.perf_counter()
    answer = live.send("POST", "/predict", files={"image": film})
    took = 1000 * (time.perf_counter() - begun)
    if answer.status_code == 503:
        time.sleep(min(wait(answer), LONGEST_PAUSE))
        return None
    if answer.status_code != 200:
        raise CheckError(
            f"/predict has status {answer.status_code} under load", "200 or 503", "Read the service's log."
        )
    return took
