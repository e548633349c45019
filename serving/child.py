"""The server of one release as a process of its own, on a line that its supervisor holds."""

import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

HOST = "src/serving/host.py"  # in an unpacked bento
INHERITS = b'"fd:"'  # a host that can take a line over says so


@dataclass(frozen=True)
class Target:
    """What is to be served; two are the same where they are one bento.

    Args:
        name: for people, such as `demo v1.0.0`.
        sha256: of the bento.
        bento: the file.
        fetched: name of the version by which it can be had where the file is not there; None: it cannot.
    """

    name: str = field(compare=False)
    sha256: str
    bento: Path = field(compare=False)
    fetched: str | None = field(default=None, compare=False)


class Child:
    """A started `serving/host.py`; it ends with this process, since its channel does."""

    def __init__(self, target: Target, folder: Path, line: socket.socket, environment: Mapping[str, str]) -> None:
        """Start it; it takes nobody before the order `go`.

        Args:
            folder: of the unpacked bento.
            line: the listening socket.
        """
        self.target, self.folder = target, folder
        self.tag: str | None = None  # as it says when it is ready
        self.channel, theirs = socket.socketpair()
        self.channel.setblocking(False)
        given = (line.fileno(), theirs.fileno())
        command = [sys.executable, "-P", str(folder / HOST), str(folder), *(f"fd:{number}" for number in given)]
        with theirs:
            # A session of its own: Ctrl-C is for the supervisor alone, which then gives the order.
            self._process = subprocess.Popen(command, env=environment, pass_fds=given, start_new_session=True)
        self.talks, self._heard = True, b""

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def order(self, word: str) -> None:
        """Tell it what to do: `go`, `yield`, `stop` or `end`; one that is gone does nothing more."""
        with suppress(OSError):
            self.channel.send(f"{word}\n".encode())

    def words(self) -> list[str]:
        """What it said since it was last asked."""
        try:
            while said := self.channel.recv(4096):
                self._heard += said
            self.talks = False
        except BlockingIOError:
            pass  # nothing more now
        except OSError:
            self.talks = False
        *lines, self._heard = self._heard.split(b"\n")
        return [line.decode() for line in lines]

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """Give back what belonged to it; it has ended."""
        self.channel.close()


def takes_over(folder: Path) -> bool:
    """Whether the server of an unpacked bento can take a line over."""
    return INHERITS in (folder / HOST).read_bytes()
