"""Ten thousand uploads that no film is: each gets a sentence or an answer, and the service is afterwards as before."""

import asyncio
import json
from collections import Counter
from urllib.parse import urlsplit

import psutil
import pytest

from benchmarks.load import ask, form, request
from tests.serving.malformed import uploads

COUNT, CLIENTS = 10_000, 8
SEVERAL = (200, 400, 408, 413, 415, 422)


async def send_all(url, requests):
    """The status and body of each, in the order in which they were answered."""
    place, answers = urlsplit(url), []

    async def client():
        stays = False
        for path, body, kind in requests:
            if not stays:
                reader, writer = await asyncio.open_connection(place.hostname, place.port)
            try:
                status, said, stays = await asyncio.wait_for(ask(reader, writer, request(url, path, body, kind)), 60)
                answers.append((path, status, said))
            except (OSError, asyncio.IncompleteReadError) as error:
                answers.append((path, 0, repr(error).encode()))
                stays = False
            if not stays:
                writer.close()
        if stays:
            writer.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return answers


def memory(pid):
    """Resident bytes of a process and its children."""
    parent = psutil.Process(pid)
    return sum(process.memory_info().rss for process in (parent, *parent.children(recursive=True)))


@pytest.mark.slow
def test_ten_thousand_malformed_uploads_leave_the_service_as_it_was(served, as_png, rng):
    asyncio.run(send_all(served.url, iter(list(uploads(1_000, seed=1)))))
    before = memory(served.pid)
    answers = asyncio.run(send_all(served.url, uploads(COUNT, seed=2)))
    statuses = Counter(status for _, status, _ in answers)
    print(dict(statuses), f"memory {before / 2**20:.0f} -> {memory(served.pid) / 2**20:.0f} MiB")

    assert sum(statuses.values()) == COUNT
    assert set(statuses) <= set(SEVERAL), statuses
    assert statuses[422] > COUNT / 4
    for path, status, said in answers:
        if status != 200:
            told = json.loads(said)
            assert list(told) == ["error"], (path, told)
            assert told["error"].endswith(".")
            assert "Traceback" not in told["error"]
    assert psutil.pid_exists(served.pid)
    assert memory(served.pid) < before + 16 * 2**20
    assert psutil.Process(served.pid).children() == []
    assert [path for path in served.scratch.rglob("*") if path.is_file()] == []
    film = as_png(rng.integers(0, 256, (48, 64), dtype="uint8"))
    ((_, status, _),) = asyncio.run(send_all(served.url, iter([("/predict", *form(film))])))
    assert status == 200
