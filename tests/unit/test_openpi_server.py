"""`mstool serve` answers openpi's protocol, several clients, errors, and our own client."""

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from support.conventions import SENTENCE, conventions
from support.openpi_server import frame, served
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from mstool.errors import DataError, MstoolError, SetupError, UsageError
from mstool.evaluation.openpi.server import PolicyServer
from mstool.evaluation.openpi.wire import pack, unpack
from mstool.evaluation.policies.openpi_server import OpenpiPolicy
from mstool.evaluation.policies.own_inputs import own_conventions
from mstool.evaluation.policy import Observation, Traits


class Echo:
    """Answers with the state's first number, and remembers what it was asked."""

    name = "echo"
    traits = Traits(replan=3)

    def __init__(self, dims=7):
        self.dims = dims
        self.resets = []
        self.seen = []
        self.batches = []
        self.hold = threading.Event()
        self.hold.set()

    def reset(self, slot, env_id, seed):
        self.resets.append((slot, env_id, seed))

    def act(self, slots, observations):
        self.hold.wait(20)
        self.batches.append(list(slots))
        self.seen += observations
        if any(o.prompt == "fail" for o in observations):
            raise DataError("the policy cannot")
        return [np.full((4, self.dims), o.state[0], np.float32) for o in observations]

    def close(self):
        pass


def openpi_client(url):
    """What openpi's client does, bare."""
    return connect(url, compression=None, max_size=None)


def test_openpis_client_with_libero_keys():
    policy = Echo()
    with served(policy, conventions(size=(2, 3))) as url, openpi_client(url) as client:
        metadata = unpack(client.recv())
        assert metadata["mstool"]["layout"] == "libero"
        assert metadata["mstool"]["action_dims"] == 7
        client.send(frame("observation_libero"))
        first = unpack(client.recv())
        client.send(frame("observation_libero"))
        second = unpack(client.recv())
    np.testing.assert_array_equal(first["actions"], np.full((4, 7), np.float32(0.1)))
    recorded = [unpack(frame(f"answer_libero_{n}")) for n in (1, 2)]
    for ours, theirs in zip((first, second), recorded, strict=True):
        assert set(theirs) - set(ours) == {"state"}  # the model's padded state, which no client reads
        assert set(ours["server_timing"]) == set(theirs["server_timing"])
        assert set(ours["policy_timing"]) == set(theirs["policy_timing"])
    assert policy.seen[0].prompt == "pick up the red cube"
    said = unpack(frame("observation_libero"))
    np.testing.assert_array_equal(policy.seen[0].images["wrist"], said["observation/wrist_image"])
    assert [o.step for o in policy.seen] == [0, 1]
    assert len(policy.resets) == 1


def vlabench_checkpoint(folder, *, size=224, extra=()):
    """A checkpoint's configuration as LeRobot writes it for VLABench's data."""
    pictures = {
        f"observation.images.{name}": {"type": "VISUAL", "shape": [3, size, size]}
        for name in ("image", "second_image", "wrist_image")
    }
    inputs = {**pictures, "observation.state": {"type": "STATE", "shape": [7]}, **dict(extra)}
    outputs = {"action": {"type": "ACTION", "shape": [7]}}
    (folder / "config.json").write_text(json.dumps({"input_features": inputs, "output_features": outputs}))
    return folder


def test_vlabenchs_client(tmp_path):
    """As its `Pi0` asks: pictures of 480 px as drawn, position in the base frame, Euler angles and gripper, float64."""
    policy, random = Echo(), np.random.default_rng(0)
    own = own_conventions(vlabench_checkpoint(tmp_path))
    asked = {
        "observation/image": random.integers(0, 255, (480, 480, 3), np.uint8),
        "observation/second_image": random.integers(0, 255, (480, 480, 3), np.uint8),
        "observation/wrist_image": random.integers(0, 255, (480, 480, 3), np.uint8),
        "observation/state": np.array([0.25, 0.1, 0.3, 3.1, 0.0, -1.5, 1.0]),
        "prompt": "select the red poker",
    }
    with served(policy, own) as url, openpi_client(url) as client:
        about = unpack(client.recv())["mstool"]
        client.send(pack(asked))
        answer = unpack(client.recv())
    assert set(about["observation_keys"]) == set(asked)
    np.testing.assert_array_equal(answer["actions"], np.full((4, 7), np.float32(0.25)))
    (seen,) = policy.seen
    assert set(own.record.views.values()) == set(seen.images) == {"base", "second", "wrist"}
    assert {picture.shape for picture in seen.images.values()} == {(224, 224, 3)}
    assert (seen.images["second"] != seen.images["base"]).any()
    assert (seen.prompt, seen.state.dtype) == ("select the red poker", np.float32)


def test_a_checkpoint_whose_own_inputs_say_too_little(tmp_path):
    other = {"observation.images.image2": {"type": "VISUAL", "shape": [3, 96, 96]}}
    with pytest.raises(DataError, match=r"own inputs: pictures of 2 sizes, two pictures of one name") as caught:
        own_conventions(vlabench_checkpoint(tmp_path, extra=other.items()))
    assert "--dataset" in caught.value.fix


def test_openpis_client_with_droid_keys():
    policy = Echo(8)
    ours = conventions("droid", size=(2, 3), views=("base", "wrist"))
    with served(policy, ours) as url, openpi_client(url) as client:
        client.recv()
        client.send(frame("observation_droid"))
        assert unpack(client.recv())["actions"].shape == (4, 8)
    np.testing.assert_allclose(policy.seen[0].state, [*np.linspace(-1.5, 1.5, 7), 0.25])


def test_pictures_resized_by_openpis_clients_are_turned_back():
    policy = Echo(8)
    ours = conventions("droid", size=(180, 320), views=("base", "wrist"))
    picture = np.zeros((224, 224, 3), np.uint8)
    picture[49:175] = 90
    message = unpack(frame("observation_droid")) | {
        "observation/exterior_image_1_left": picture,
        "observation/wrist_image_left": np.moveaxis(picture, 2, 0).astype(np.float32) / 255,
        "observation/gripper_position": np.float64(0.5),
    }
    with served(policy, ours) as url, openpi_client(url) as client:
        client.recv()
        client.send(pack(message))
        client.recv()
    assert policy.seen[0].images["base"].shape == (180, 320, 3)
    assert (policy.seen[0].images["base"] == 90).all()
    assert policy.seen[0].images["wrist"].shape == (180, 320, 3)
    assert policy.seen[0].state[7] == 0.5


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (pack({"prompt": "x"}), "lacks observation/image, observation/wrist_image, observation/state"),
        (pack([1]), "this is a list"),
        (b"\xc1", "not a frame"),
        ("hello", "a text frame"),
        (pack(unpack(frame("observation_libero")) | {"observation/state": np.zeros(7)}), r"shape \(7,\)"),
        (pack(unpack(frame("observation_libero")) | {"observation/state": np.full(8, np.nan)}), "not finite"),
        (pack(unpack(frame("observation_libero")) | {"observation/image": np.zeros((2, 3))}), "an image is uint8"),
        (pack(unpack(frame("observation_libero")) | {"prompt": "fail"}), "DataError: the policy cannot"),
        (frame("observation_droid"), "lacks observation/image"),
    ],
)
def test_errors_are_told_in_a_text_frame_and_others_go_on(message, text):
    with served(Echo(), conventions(size=(2, 3))) as url, openpi_client(url) as other, openpi_client(url) as client:
        other.recv()
        client.recv()
        client.send(message)
        told = client.recv()
        assert isinstance(told, str)
        assert told.startswith("Traceback (most recent call last)")
        assert re.search(text, told)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
        assert closed.value.rcvd.code == 1011
        assert closed.value.rcvd.reason == "Internal server error. Traceback included in previous frame."
        other.send(frame("observation_libero"))
        assert unpack(other.recv())["actions"].shape == (4, 7)


def seen(state, **changed):
    images = {"base": np.zeros((16, 16, 3), np.uint8), "wrist": np.zeros((16, 16, 3), np.uint8)}
    values = {"images": images, "state": np.full(8, state, np.float32), "prompt": SENTENCE, "env_id": "PushCube-v1"}
    return Observation(**{**values, "seed": 10_007, "step": 12, **changed})


def test_our_client_and_server_together():
    policy, ours = Echo(), conventions(goal="state")
    goal = np.array([0.1, 0.2, 0.3], np.float32)
    with served(policy, ours, batch=4) as url:
        client = OpenpiPolicy(url, ours)
        assert client.traits.replan == 3
        policy.hold.clear()
        threading.Timer(0.5, policy.hold.set).start()
        chunks = client.act([0, 1, 2], [seen(n, goal=goal) for n in range(3)])
        client.reset(1, "PushCube-v1", 10_008)
        client.act([1], [seen(1, seed=10_008, step=0, goal=goal)])
        with pytest.raises(MstoolError, match="the policy cannot"):
            client.act([0], [seen(0, prompt="fail", goal=goal)])
        client.close()
    assert [chunk[0, 0] for chunk in chunks] == [0, 1, 2]
    assert max(map(len, policy.batches)) > 1  # those that waited together
    first = policy.seen[0]
    assert (first.env_id, first.seed, first.step) == ("PushCube-v1", 10_007, 12)
    np.testing.assert_array_equal(first.goal, goal)
    assert ("PushCube-v1", 10_008) in [reset[1:] for reset in policy.resets]


def test_one_bad_question_does_not_spoil_a_batch():
    policy, ours = Echo(), conventions()
    with served(policy, ours, batch=4) as url:
        clients = [openpi_client(url) for _ in range(3)]
        for client in clients:
            client.recv()
        policy.hold.clear()
        for n, client in enumerate(clients):
            said = {"observation/image": np.zeros((16, 16, 3), np.uint8), "observation/state": np.full(8, n)}
            said["observation/wrist_image"] = said["observation/image"]
            client.send(pack(said | {"prompt": "fail" if n == 1 else "go"}))
        threading.Timer(0.3, policy.hold.set).start()
        answers = [client.recv() for client in clients]
        for client in clients:
            client.close()
    assert isinstance(answers[1], str)
    assert [unpack(answers[n])["actions"][0, 0] for n in (0, 2)] == [0, 2]


def test_a_client_that_hangs_up_while_it_is_answered():
    policy, ours = Echo(), conventions(size=(2, 3))
    with served(policy, ours) as url:
        policy.hold.clear()
        client = openpi_client(url)
        client.recv()
        client.send(frame("observation_libero"))
        client.socket.shutdown(socket.SHUT_RDWR)
        policy.hold.set()
        with openpi_client(url) as other:
            other.recv()
            other.send(frame("observation_libero"))
            assert unpack(other.recv())["actions"].shape == (4, 7)


def test_health_and_plain_http():
    with served(Echo(), conventions()) as url:
        address = url.removeprefix("ws://")
        health = http.client.HTTPConnection(address)
        health.request("GET", "/healthz")
        answer = health.getresponse()
        assert (answer.status, answer.read()) == (200, b"OK\n")
        plain = http.client.HTTPConnection(address)
        plain.request("GET", "/")
        assert plain.getresponse().status == 426


def test_a_port_that_is_taken():
    with served(Echo(), conventions()) as url:
        port = int(url.rsplit(":", 1)[1])
        server = PolicyServer(Echo(), conventions())
        with pytest.raises(SetupError, match=f"cannot listen on 127.0.0.1:{port}") as raised:
            asyncio.run(server.run("127.0.0.1", port, print, asyncio.Event()))
    assert raised.value.fix == f"add --port {port + 1}"


def test_another_layout_is_refused():
    with served(Echo(), conventions("tcp")) as url, pytest.raises(UsageError, match="layout 'tcp'"):
        OpenpiPolicy(url, conventions())


COMMAND = """
import sys
from mstool.evaluation.policies import checkpoint
from mstool.evaluation.policies import choose
from support.conventions import conventions as made
from unit_server import Echo
checkpoint.find_checkpoint = lambda spec, *_: spec
checkpoint.checkpoint_conventions = lambda *_: made(size=(2, 3))
choose.CheckpointSource.open = lambda *a, **k: Echo()
sys.argv = ["mstool", "serve", "somewhere", "--port", "0", *sys.argv[1:]]
from mstool.cli.main import main
main()
"""


@pytest.fixture
def command(tmp_path):
    """Start `mstool serve` with an Echo and these words."""
    (tmp_path / "unit_server.py").write_bytes(Path(__file__).read_bytes())
    tests = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": f"{tests}:{tmp_path}"}
    started = []

    def start(*words):
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", COMMAND, *words], stderr=subprocess.PIPE, text=True, env=environment
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def reached(address, port):
    try:
        socket.create_connection((address, port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_other_machines_are_let_in_by_a_word_alone_and_told_of(command):
    """Another loopback address stands for another machine's way in."""
    serving = r"serving echo \(layout libero\) at ws://%s:(\d+)"
    line = command().stderr.readline()
    port = int(re.search(serving % "127.0.0.1", line)[1])
    assert reached("127.0.0.1", port)
    assert not reached("127.0.0.2", port)
    told = command("--host", "0.0.0.0").stderr
    warning = told.readline()
    port = int(re.search(serving % "0.0.0.0", told.readline())[1])
    assert warning == (
        f"warning: there is no password: anyone who reaches port {port} of this machine can use the policy\n"
    )
    assert reached("127.0.0.2", port)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_interrupted(command, number):
    process = command()
    try:
        line = process.stderr.readline()
        url = re.search(r"serving echo \(layout libero\) at (ws://127\.0\.0\.1:\d+)", line)[1]
        with openpi_client(url) as client:
            client.recv()
            client.send(frame("observation_libero"))
            assert unpack(client.recv())["actions"].shape == (4, 7)
            process.send_signal(number)
            rest = process.communicate(timeout=20)[1]
    finally:
        process.kill()
    assert process.returncode == 0, rest
    assert rest.splitlines()[-1] == "stopped"
    assert "Traceback" not in rest
