"""Policy servers: one that answers with recorded bytes and misbehaves on request, and ours in a thread."""

import asyncio
import threading
from contextlib import contextmanager
from pathlib import Path

from websockets.sync.server import serve

from mstool.evaluation.openpi.server import PolicyServer

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


@contextmanager
def served(policy, ours, **options):
    """A PolicyServer in a thread: yields its url."""
    told, started, box = [], threading.Event(), {}

    async def main():
        box["stop"] = asyncio.Event()
        box["loop"] = asyncio.get_running_loop()
        server = PolicyServer(policy, ours, notify=told.append, **options)

        def ready(_addresses, port):
            box["port"] = port
            started.set()

        await server.run("127.0.0.1", 0, ready, box["stop"])

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield f"ws://127.0.0.1:{box['port']}"
    finally:
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(10)
        assert not thread.is_alive()
