"""A policy server that speaks openpi's protocol with recorded bytes, and misbehaves on request."""

import threading
from contextlib import contextmanager
from pathlib import Path

from websockets.sync.server import serve

FRAMES = Path(__file__).parents[1] / "data" / "openpi_frames"


def frame(name):
    """A frame that openpi's own code wrote: bytes, or text for the traceback."""
    text = FRAMES / f"{name}.txt"
    return text.read_text() if text.exists() else bytes.fromhex((FRAMES / f"{name}.hex").read_text())


class Server:
    """Answers every question with the next of `answers`; the last is repeated.

    An answer is a frame, `None` (hang up without a word), a callable of the question that returns a frame, or an Event
    to wait for before hanging up.
    """

    def __init__(self, *answers, metadata=None):
        self.answers = list(answers)
        self.metadata = frame("metadata") if metadata is None else metadata
        self.questions = []
        self.connections = 0
        self._server = serve(self._converse, "127.0.0.1", 0, compression=None, max_size=None)
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def _converse(self, socket):
        self.connections += 1
        socket.send(self.metadata)
        for question in socket:
            self.questions.append(question)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, threading.Event):
                answer.wait(20)
                return
            if answer is None:
                return
            socket.send(answer(question) if callable(answer) else answer)
            if isinstance(answer, str):
                socket.close(1011, "Internal server error. Traceback included in previous frame.")
                return

    def start(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()


@contextmanager
def openpi_server(*answers, **options):
    server = Server(*answers, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
