"""Answer openpi's protocol with any policy: metadata first, then actions for observations, a traceback for an error.

Message for message what openpi's `src/openpi/serving/websocket_policy_server.py` does: a text frame with the traceback
and close code 1011 when a question fails, `GET /healthz` for a load balancer. Beyond it, questions that wait together
are answered in one batch, and the metadata say which policy is served (key `mstool`).
"""

import asyncio
import http
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from mstool.contract import Array
from mstool.dataset.conventions import Conventions
from mstool.errors import DataError, SetupError
from mstool.evaluation.openpi.observations import (
    OURS,
    READS_EPISODE,
    ObservationKeys,
    from_message,
    observation_keys,
    vector_dims,
)
from mstool.evaluation.openpi.wire import pack, unpack
from mstool.evaluation.policy import Observation, Policy, traits_of
from mstool.progress import Notify

HEALTH = "/healthz"
# One observation has under 1 MB; nobody needs to fill the memory with one.
MOST_BYTES = 1 << 26
REASON = "Internal server error. Traceback included in previous frame."


@dataclass
class _Question:
    slot: int
    observation: Observation
    # Whether it is the first of its episode.
    fresh: bool
    answer: asyncio.Future[Array] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class PolicyServer:
    """Serves one policy to several clients; a connection is one episode.

    Parameters
    ----------
    policy, conventions
        What answers, and what it was trained on.
    batch
        The most questions that are answered together.
    notify
        Told of connections and errors.

    """

    def __init__(self, policy: Policy, conventions: Conventions, *, batch: int = 1, notify: Notify = print) -> None:
        self._policy = policy
        self._keys = observation_keys(conventions)
        self._env_id = next(iter(conventions.env_ids), "")
        self._batch = batch
        self._notify = notify
        self._taken: set[int] = set()
        self._count = 0
        self.metadata = {OURS: _about(policy, conventions, self._keys)}

    async def run(
        self, host: str, port: int, ready: Callable[[tuple[str, ...], int], None], stop: asyncio.Event
    ) -> None:
        """Serve until `stop` is set; `ready` is told the addresses and the port (the system chooses one for port 0).

        Raises
        ------
        SetupError
            The address cannot be listened on.

        """
        self._waiting: asyncio.Queue[_Question] = asyncio.Queue()
        try:
            server = await serve(
                self._converse, host, port, compression=None, max_size=MOST_BYTES, process_request=_health
            )
        except OSError as error:
            raise SetupError(
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                fix=f"add --port {port + 1}",
                change={"--port": port + 1},
            ) from error
        worker = asyncio.create_task(self._work())
        async with server:
            names = [socket.getsockname() for socket in server.sockets]
            ready(tuple(name[0] for name in names), names[0][1])
            await stop.wait()
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

    async def _converse(self, socket: ServerConnection) -> None:
        slot = next(slot for slot in range(len(self._taken) + 1) if slot not in self._taken)
        self._taken.add(slot)
        self._count += 1
        self._notify(f"client {slot} connected")
        try:
            await socket.send(pack(self.metadata))
            await self._answer_all(socket, slot, self._count)
        except ConnectionClosed:
            pass
        finally:
            self._taken.discard(slot)
            self._notify(f"client {slot} left")

    async def _answer_all(self, socket: ServerConnection, slot: int, episode: int) -> None:
        previous: dict[str, float] = {}
        step = 0
        async for frame in socket:
            began = time.monotonic()
            try:
                question = self._question(frame, slot, episode, step)
                self._waiting.put_nowait(question)
                actions = await question.answer
            except Exception as error:  # noqa: BLE001  the client is told, whatever it was
                self._notify(f"client {slot}: {type(error).__name__}: {error}")
                await socket.send("".join(traceback.format_exception(error)))
                await socket.close(CloseCode.INTERNAL_ERROR, REASON)
                return
            took = 1000 * (time.monotonic() - began)
            timings = {"policy_timing": {"infer_ms": took}, "server_timing": {"infer_ms": took} | previous}
            await socket.send(pack({"actions": actions} | timings))
            previous = {"prev_total_ms": 1000 * (time.monotonic() - began)}
            step += 1

    def _question(self, frame: str | bytes, slot: int, episode: int, step: int) -> _Question:
        if isinstance(frame, str):
            raise DataError("a text frame: an observation is a binary one")
        observation = from_message(unpack(frame), self._keys, self._env_id, episode, step)
        return _Question(slot, observation, fresh=step == 0)

    async def _work(self) -> None:
        """Answer what waits, in batches; the policy computes in a thread, so that connections stay alive."""
        while True:
            questions = [await self._waiting.get()]
            while len(questions) < self._batch and not self._waiting.empty():
                questions.append(self._waiting.get_nowait())
            answers = await asyncio.to_thread(self._answers, questions)
            for question, answer in zip(questions, answers, strict=True):
                if question.answer.done():  # its client has gone
                    continue
                if isinstance(answer, Exception):
                    question.answer.set_exception(answer)
                else:
                    question.answer.set_result(answer)

    def _answers(self, questions: list[_Question]) -> list[Array | Exception]:
        try:
            for question in questions:
                if question.fresh:
                    self._policy.reset(question.slot, question.observation.env_id, question.observation.seed)
            slots = [question.slot for question in questions]
            return list(self._policy.act(slots, [question.observation for question in questions]))
        except Exception as error:  # noqa: BLE001  it belongs to one client
            if len(questions) == 1:
                return [error]
        return [answer for question in questions for answer in self._answers([question])]


def _about(policy: Policy, conventions: Conventions, keys: ObservationKeys) -> dict[str, Any]:
    traits = traits_of(policy)
    return {
        "policy": policy.name,
        "dataset": conventions.dataset,
        "layout": conventions.record.layout,
        "control_mode": conventions.record.control_mode,
        "fps": conventions.fps,
        "observation_keys": list(keys.names),
        "image_size": list(keys.image_size),
        "action_dims": vector_dims(conventions, "action", "actions"),
        "replan": traits.replan,
        "stateful": traits.stateful,
        READS_EPISODE: True,
    }


def _health(connection: ServerConnection, request: Request) -> Response | None:
    if request.path == HEALTH:
        return connection.respond(http.HTTPStatus.OK, "OK\n")
    return None
