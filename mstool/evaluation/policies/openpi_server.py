"""A policy server that speaks openpi's protocol, as a policy."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.dataset.conventions import Conventions
from mstool.errors import MstoolError, UsageError
from mstool.evaluation.openpi.connection import Connection, ServerGoneError
from mstool.evaluation.openpi.observations import OURS, READS_EPISODE, observation_keys, to_message, vector_dims
from mstool.evaluation.policy import Observation, Traits
from mstool.evaluation.scene import layout_of
from mstool.layouts.openpi import LIBERO_DATA


class OpenpiPolicy:
    """Asks a server at `url`, over one connection per slot.

    The protocol has no message for a new episode: the connection itself begins anew with one, which tells a server
    that keeps a history (`mstool serve` does, where its policy has one) and costs others nothing.

    Raises
    ------
    MstoolError
        Nothing listens there, it is not a policy server, or it serves a policy of another layout.

    """

    def __init__(self, url: str, conventions: Conventions, timeout_s: float = 60.0) -> None:
        self.url = url
        self.name = "server " + url.rsplit("://", maxsplit=1)[-1].rstrip("/")
        self._timeout_s = timeout_s
        self._keys = observation_keys(conventions)
        self._dims = vector_dims(conventions, "action", "actions")
        self._connections: dict[int, Connection] = {}
        first = Connection(url, timeout_s)
        first.open()
        self._fresh: list[Connection] = [first]
        # What the server says of itself.
        self.metadata = first.metadata
        served = self.metadata.get(OURS)
        served = served if isinstance(served, dict) else {}
        self._ours = bool(served.get(READS_EPISODE, False))
        _check(served, conventions, url)
        # As often as openpi's own client of this kind of data; the simulated one for what openpi does not train on.
        use = layout_of(conventions).openpi or LIBERO_DATA
        self.traits = Traits(
            replan=served.get("replan", use.replan),
            stateful=bool(served.get("stateful", False)),
            identity={"url": url, "metadata": repr(self.metadata)},
        )

    def reset(self, slot: int, env_id: str, seed: int) -> None:  # noqa: ARG002
        """Begin the slot's next episode on a connection of its own."""
        if slot in self._connections:
            self._connections.pop(slot).close()

    def act(self, slots: Sequence[int], observations: Sequence[Observation]) -> list[Array]:
        """Ask for every slot at once, then collect the answers: (H, D) float32 each.

        Raises
        ------
        MstoolError
            The server reports an error, or its actions are not this dataset's.
        ServerGoneError
            The server is gone and did not come back.

        """
        messages = [to_message(observation, self._keys, ours=self._ours) for observation in observations]
        try:
            asked = [self._try_send(slot, message) for slot, message in zip(slots, messages, strict=True)]
            return [
                self._actions(self._answer(slot, message, sent=sent))
                for slot, message, sent in zip(slots, messages, asked, strict=True)
            ]
        except BaseException:
            for slot in slots:  # an answer that nobody took would be taken for the next question's
                self.reset(slot, "", 0)
            raise

    def close(self) -> None:
        """Hang up."""
        for connection in (*self._connections.values(), *self._fresh):
            connection.close()
        self._connections = {}
        self._fresh = []

    def _connection(self, slot: int) -> Connection:
        if slot not in self._connections:
            self._connections[slot] = self._fresh.pop() if self._fresh else Connection(self.url, self._timeout_s)
        return self._connections[slot]

    def _try_send(self, slot: int, message: dict[str, Any]) -> bool:
        try:
            self._connection(slot).send(message)
        except ServerGoneError:
            return False
        return True

    def _answer(self, slot: int, message: dict[str, Any], *, sent: bool) -> dict[str, Any]:
        """Take a slot's answer; where the connection broke, make it anew and ask once more."""
        connection = self._connection(slot)
        if sent:
            try:
                return connection.receive()
            except ServerGoneError:
                pass
        connection.open()
        connection.send(message)
        return connection.receive()

    def _actions(self, answer: dict[str, Any]) -> Array:
        if "actions" not in answer:
            raise MstoolError(f"{self.url} answers without actions: {', '.join(map(str, answer)) or 'nothing'}")
        try:
            actions = np.atleast_2d(np.asarray(answer["actions"], np.float32))
        except (TypeError, ValueError) as error:
            raise MstoolError(f"{self.url} answers with actions that are not numbers: {error}") from error
        if actions.ndim != 2 or actions.shape[1] != self._dims:
            raise MstoolError(
                f"{self.url} answers with actions of shape {np.shape(answer['actions'])}, this dataset's are "
                f"(H, {self._dims}): the server's policy was trained on another layout or control mode",
                fix="serve a policy that was trained on this dataset",
            )
        if not np.isfinite(actions).all():
            raise MstoolError(f"{self.url} answers with actions that are not finite")
        return actions


def _check(served: dict[str, Any], conventions: Conventions, url: str) -> None:
    """Compare what `mstool serve` says of its policy with the dataset's conventions."""
    own = {"layout": conventions.record.layout, "control_mode": conventions.record.control_mode}
    wrong = [
        f"{name} {served[name]!r}, not {value!r}"
        for name, value in own.items()
        if name in served and served[name] != value
    ]
    if wrong:
        raise UsageError(
            f"the policy served at {url} has {' and '.join(wrong)}",
            fix="evaluate it with its own dataset or checkpoint's conventions",
        )
