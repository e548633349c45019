"""A client that asks a service as fast as it answers, or at a given rate, and costs next to nothing itself.

It writes HTTP/1.1 over plain sockets, since it shares the processor with the service that it measures.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Seen:
    """What came back.

    Args:
        answers: status, seconds that it took, and body, of each request that was answered.
        broken: requests whose connection ended without an answer.
    """

    answers: list[tuple[int, float, bytes]] = field(default_factory=list)
    broken: int = 0
    seconds: float = 0.0

    def rate(self, status=200):
        """Answers of a status a second."""
        return sum(answer[0] == status for answer in self.answers) / self.seconds

    def milliseconds(self, share, status=None):
        """The time within which this share of the answers came."""
        times = sorted(answer[1] for answer in self.answers if status in (None, answer[0]))
        return 1000 * times[min(int(share * len(times)), len(times) - 1)]


def form(film, field="image", **texts):
    """A multipart body with a film, and the type that names its boundary."""
    parts = [f'--filmgate\r\nContent-Disposition: form-data; name="{field}"; filename="f"\r\n\r\n'.encode() + film]
    parts += [
        f'--filmgate\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}'.encode()
        for name, text in texts.items()
    ]
    return b"\r\n".join(parts) + b"\r\n--filmgate--\r\n", "multipart/form-data; boundary=filmgate"


def request(url, path, body, kind):
    """The bytes of a POST request."""
    head = f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def ask(reader, writer, content):
    """One request over an open connection: status, body, and whether the connection stays."""
    writer.write(content)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.split("content-length:")[1].split("\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length), "connection: close" not in head


async def closed_loop(url, content, clients, seconds):
    """So many clients, each of which asks again as soon as it has its answer."""
    place, seen, end = urlsplit(url), Seen(), time.perf_counter() + seconds

    async def client():
        while time.perf_counter() < end:
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            stays = True
            while stays and time.perf_counter() < end:
                begun = time.perf_counter()
                status, body, stays = await ask(reader, writer, content)
                seen.answers.append((status, time.perf_counter() - begun, body))
            writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seen.seconds = time.perf_counter() - begun
    return seen


async def open_loop(url, contents, rate, seconds, stop=None):
    """Requests that come at their own pace, each over a connection of its own, whether the service keeps up or not.

    Args:
        contents: the requests, in turn.
        rate: of them a second.
        stop: an event that ends it early.
    """
    place, seen, tasks, number = urlsplit(url), Seen(), set(), 0

    async def one(content):
        begun = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
        except OSError:
            return  # not accepted
        try:
            status, body, _ = await ask(reader, writer, content)
            seen.answers.append((status, time.perf_counter() - begun, body))
        except (OSError, asyncio.IncompleteReadError):
            seen.broken += 1
        finally:
            writer.close()

    begun = time.perf_counter()
    while (now := time.perf_counter() - begun) < seconds and not (stop and stop.is_set()):
        while number < now * rate:
            tasks.add(task := asyncio.ensure_future(one(contents[number % len(contents)])))
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.sleep(0.002)
    await asyncio.gather(*tasks)
    seen.seconds = time.perf_counter() - begun
    return seen


def said(answer):
    """The body of an answer, read as JSON."""
    return json.loads(answer[2])
