"""What a request brings, read piece by piece and never more of it than it may have."""

from collections.abc import AsyncGenerator
from contextlib import suppress

from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request


class TooLargeError(MultiPartException):
    """A request has more bytes than it may have."""


class Body:
    """The body of a request."""

    def __init__(self, request: Request, most: int) -> None:
        """Nothing is read yet.

        Args:
            most: bytes that it may have.
        """
        self.most, self._request, self._size, self._over = most, request, 0, False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Its pieces.

        Raises:
            TooLargeError: there are too many bytes.
            ClientDisconnect: the client is gone.
        """
        while not self._over:
            yield await self._next()
            if self._size > self.most:
                raise TooLargeError(too_large(self._size, self.most))

    async def drain(self) -> None:
        """Let the client finish, since one that is cut off while it sends never reads its answer."""
        with suppress(ClientDisconnect):
            while not self._over and self._size < 4 * self.most:
                await self._next()

    async def _next(self) -> bytes:
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            self._over = True
            raise ClientDisconnect
        self._over = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        self._size += len(piece)
        return piece


def too_large(size: int, most: int) -> str:
    """That a request holds more bytes than it may."""
    return f"The request has {size / 2**20:.0f} MiB or more. Expected at most {most // 2**20} MiB."
