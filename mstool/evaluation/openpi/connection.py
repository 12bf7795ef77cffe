"""One connection to an openpi policy server: connect, ask, connect again."""

import time
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect

from mstool.errors import DataError, MstoolError, UsageError
from mstool.evaluation.openpi.wire import pack, unpack

# Seconds before each further try to reach a server.
WAITS_S = (0.5, 1.0, 2.0)
# Seconds for TCP and the websocket handshake.
OPEN_S = 10.0


class ServerGoneError(MstoolError):
    """The connection broke or could not be made; the same question may be asked again."""


class Connection:
    """Asks one server, one question at a time.

    Parameters
    ----------
    url
        `ws://host:port`.
    timeout_s
        How long one answer may take. openpi compiles its model during the first.

    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url = url
        # What the server said of itself when the connection was made.
        self.metadata: dict[str, Any] = {}
        self._timeout_s = timeout_s
        self._socket: ClientConnection | None = None

    def open(self) -> None:
        """Connect and read the metadata, in up to four tries.

        Raises
        ------
        MstoolError
            Nothing listens there, it is not a policy server, or it does not answer.

        """
        for wait in WAITS_S:
            try:
                return self._open()
            except ServerGoneError:
                time.sleep(wait)
        return self._open()

    def send(self, message: object) -> None:
        """Send a question; `receive` takes the answer."""
        frame = pack(message)
        if self._socket is None:
            self.open()
        assert self._socket is not None
        try:
            self._socket.send(frame)
        except (ConnectionClosed, OSError) as error:
            raise self._gone("broke off", error) from error

    def receive(self) -> dict[str, Any]:
        """Return the answer to what was sent.

        Raises
        ------
        MstoolError
            The server reports an error of its own, answers with something else, or does not answer in time.
        ServerGoneError
            The connection broke off.

        """
        if self._socket is None:
            raise ServerGoneError(f"the connection to {self.url} is closed")
        try:
            frame = self._socket.recv(timeout=self._timeout_s)
        except TimeoutError as error:
            self.close()
            raise MstoolError(
                f"{self.url} did not answer within {self._timeout_s:g} s",
                fix="see what the server does, or give it longer (openpi compiles its model at the first question)",
            ) from error
        except (ConnectionClosed, OSError) as error:
            raise self._gone("broke off", error) from error
        return self._read(frame)

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> None:
        self.close()
        try:
            # openpi computes inside its event loop and answers no ping meanwhile: our own time limit replaces pings.
            self._socket = connect(
                self.url, compression=None, max_size=None, open_timeout=OPEN_S, ping_interval=None, proxy=None
            )
        except InvalidURI as error:
            raise UsageError(f"{self.url!r} is not the address of a server", fix="ws://HOST:PORT") from error
        except InvalidHandshake as error:
            raise MstoolError(f"what listens at {self.url} is not a policy server: {error}", fix=_START) from error
        except OSError as error:
            raise ServerGoneError(f"no policy server answers at {self.url}: {error}", fix=_START) from error
        self.metadata = self.receive()

    def _read(self, frame: str | bytes) -> dict[str, Any]:
        if isinstance(frame, str):
            self.close()  # so does the server
            raise MstoolError(f"the policy server at {self.url} reports an error of its own:\n{frame.rstrip()}")
        try:
            answer = unpack(frame)
        except DataError as error:
            self.close()
            raise MstoolError(f"{self.url} answers with {error.message}", fix=_START) from error
        if not isinstance(answer, dict):
            self.close()
            raise MstoolError(f"{self.url} answers with a {type(answer).__name__}, not with a dict", fix=_START)
        return answer

    def _gone(self, how: str, error: Exception) -> ServerGoneError:
        self.close()
        return ServerGoneError(f"the connection to {self.url} {how}: {error}", fix=_START)


_START = "start a server there: mstool serve CHECKPOINT --host HOST --port PORT, or openpi's scripts/serve_policy.py"
