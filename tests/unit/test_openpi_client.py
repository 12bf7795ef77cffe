"""`ws://` policies against a server that answers with openpi's recorded bytes, or misbehaves."""

import socket
import threading
import time

import numpy as np
import pytest
from support.conventions import SENTENCE, conventions
from support.openpi_server import frame, openpi_server
from websockets.sync.server import serve

from mstool.errors import MstoolError, UsageError
from mstool.evaluation.openpi import connection as openpi_connection
from mstool.evaluation.openpi.observations import fit
from mstool.evaluation.openpi.wire import pack, unpack
from mstool.evaluation.policies.openpi_server import OpenpiPolicy
from mstool.evaluation.policy import Observation


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(openpi_connection, "WAITS_S", (0.01, 0.02, 0.03))


def seen(ours, **changed):
    height, width = ours.record.image_size
    images = {view: np.full((height, width, 3), n, np.uint8) for n, view in enumerate(ours.record.views.values())}
    values = {
        "images": images,
        "state": np.arange(8, dtype=np.float32) / 10,
        "prompt": SENTENCE,
        "env_id": "PickCube-v1",
        "seed": 10_000,
        "step": 0,
    }
    return Observation(**{**values, **changed})


def recorded_observation():
    """The observation that openpi's client was recorded with."""
    said = unpack(frame("observation_libero"))
    images = {"base": said["observation/image"], "wrist": said["observation/wrist_image"]}
    return seen(conventions(size=(2, 3)), images=images, state=said["observation/state"], prompt=said["prompt"])


def test_an_observation_is_sent_as_openpis_client_sends_it():
    with openpi_server(frame("answer_libero_1"), frame("answer_libero_2")) as server:
        policy = OpenpiPolicy(server.url, conventions(size=(2, 3)))
        policy.reset(0, "PickCube-v1", 1)
        chunks = [policy.act([0], [recorded_observation()])[0] for _ in range(2)]
        policy.close()
    assert server.questions == [frame("observation_libero")] * 2
    for chunk in chunks:
        assert chunk.dtype == np.float32
        np.testing.assert_array_equal(chunk, (np.arange(21, dtype=np.float32) / 8).reshape(3, 7))
    assert policy.metadata["name"] == "pi05_maniskill"
    assert policy.name == f"server 127.0.0.1:{server.url[-5:].lstrip(':')}"
    assert policy.traits.replan == 5


def test_droid_keys():
    ours = conventions("droid", size=(18, 32))
    with openpi_server(frame("answer_droid")) as server:
        policy = OpenpiPolicy(server.url, ours)
        (chunk,) = policy.act([0], [seen(ours)])
        policy.close()
    assert chunk.shape == (3, 8)
    assert policy.traits.replan == 8
    said = unpack(server.questions[0])
    assert set(unpack(frame("observation_droid"))) <= set(said)
    assert said["observation/exterior_image_1_left"].shape == (18, 32, 3)
    np.testing.assert_allclose(said["observation/joint_position"], np.arange(7) / 10, rtol=1e-6)
    np.testing.assert_allclose(said["observation/gripper_position"], [0.7], rtol=1e-6)
    assert "mstool" not in said


def test_several_episodes_are_asked_at_once_and_answered_in_order():
    barrier = threading.Barrier(3)

    def answer(question):
        barrier.wait(10)  # only when all three questions are there
        value = unpack(question)["observation/state"][0]
        return pack({"actions": np.full((2, 7), value)})

    ours = conventions()
    with openpi_server(answer) as server:
        policy = OpenpiPolicy(server.url, ours)
        states = [np.full(8, n, np.float32) for n in range(3)]
        chunks = policy.act([0, 1, 2], [seen(ours, state=state) for state in states])
        policy.close()
    assert [chunk[0, 0] for chunk in chunks] == [0, 1, 2]


def test_every_episode_has_its_own_connection():
    ours = conventions()
    with openpi_server(pack({"actions": np.zeros((1, 7))})) as server:
        policy = OpenpiPolicy(server.url, ours)
        for seed in range(3):
            policy.reset(0, "PickCube-v1", seed)
            for step in range(2):
                policy.act([0], [seen(ours, seed=seed, step=step)])
        policy.close()
    assert server.connections == 3
    assert len(server.questions) == 6


def test_the_remote_traceback_is_shown_and_the_next_question_works():
    ours = conventions()
    with openpi_server(frame("error"), frame("answer_libero_1")) as server:
        policy = OpenpiPolicy(server.url, ours)
        with pytest.raises(MstoolError, match="KeyError: 'observation/state'") as raised:
            policy.act([0], [seen(ours)])
        assert "Traceback (most recent call last)" in raised.value.message
        assert server.url in raised.value.message
        assert policy.act([0], [seen(ours)])[0].shape == (3, 7)
        policy.close()
    assert len(server.questions) == 2


def test_answers_left_behind_by_an_error_are_not_taken_for_later_ones():
    def answer(question):
        value = unpack(question)["observation/state"][0]
        return "Traceback ..." if value == 1 else pack({"actions": np.full((1, 7), value)})

    ours = conventions()
    with openpi_server(answer) as server:
        policy = OpenpiPolicy(server.url, ours)
        states = [np.full(8, n, np.float32) for n in (1, 2, 3)]
        with pytest.raises(MstoolError, match="Traceback"):
            policy.act([0, 1, 2], [seen(ours, state=state) for state in states])
        chunks = policy.act([1, 2], [seen(ours, state=state + 4) for state in states[1:]])
        policy.close()
    assert [chunk[0, 0] for chunk in chunks] == [6, 7]


def test_a_broken_connection_is_made_again_and_the_question_asked_again():
    ours = conventions()
    with openpi_server(frame("answer_libero_1"), None, None, frame("answer_libero_1")) as server:
        policy = OpenpiPolicy(server.url, ours)
        policy.act([0], [seen(ours)])
        with pytest.raises(MstoolError, match="broke off"):  # twice in a row is given up
            policy.act([0], [seen(ours)])
        assert policy.act([0], [seen(ours)])[0].shape == (3, 7)
        policy.close()
    with openpi_server(None, frame("answer_libero_1")) as server:
        policy = OpenpiPolicy(server.url, ours)
        assert policy.act([0], [seen(ours)])[0].shape == (3, 7)
        policy.close()
    assert server.connections == 2


def test_a_server_that_was_started_again():
    ours = conventions()
    answer = pack({"actions": np.zeros((1, 7))})
    with openpi_server(answer) as first:
        policy = OpenpiPolicy(first.url, ours)
        policy.act([0], [seen(ours)])
        port = int(first.url.rsplit(":", 1)[1])
        for connection in policy._connections.values():
            connection._socket.socket.shutdown(socket.SHUT_RDWR)
    with serve(lambda s: [s.send(pack({})), *(s.send(answer) for _ in s)], "127.0.0.1", port) as again:
        threading.Thread(target=again.serve_forever, daemon=True).start()
        assert policy.act([0], [seen(ours)])[0].shape == (1, 7)
        policy.close()
        again.shutdown()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nothing_listens():
    started = time.monotonic()
    with pytest.raises(MstoolError, match="no policy server answers at ws://127") as raised:
        OpenpiPolicy(f"ws://127.0.0.1:{free_port()}", conventions())
    assert "mstool serve" in raised.value.fix
    assert time.monotonic() - started < 5


def test_a_server_that_starts_a_little_later(monkeypatch):
    monkeypatch.setattr(openpi_connection, "WAITS_S", (0.2, 0.4, 0.8))
    port = free_port()

    def late():
        time.sleep(0.3)
        with serve(lambda s: s.send(pack({"late": True})), "127.0.0.1", port) as server:
            threading.Timer(2, server.shutdown).start()
            server.serve_forever()

    thread = threading.Thread(target=late)
    thread.start()
    policy = OpenpiPolicy(f"ws://127.0.0.1:{port}", conventions())
    assert policy.metadata == {"late": True}
    policy.close()
    thread.join()


def test_something_else_listens():
    from http.server import BaseHTTPRequestHandler, HTTPServer

    web = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    with pytest.raises(MstoolError, match="is not a policy server"):
        OpenpiPolicy(f"ws://127.0.0.1:{web.server_port}", conventions())
    web.shutdown()


@pytest.mark.parametrize("url", ["ws://", "ws://:70000"])
def test_no_address(url):
    with pytest.raises(MstoolError):
        OpenpiPolicy(url, conventions())


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (b"\xc1", "not a frame of openpi's protocol"),
        (pack([1]), "answers with a list"),
        ("Traceback: no such checkpoint", "reports an error of its own:\nTraceback: no such checkpoint"),
    ],
)
def test_the_first_frame_is_no_metadata(metadata, message):
    with openpi_server(None, metadata=metadata) as server, pytest.raises(MstoolError, match=message):
        OpenpiPolicy(server.url, conventions())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (pack({"actions": np.zeros((10, 32))}), r"actions of shape \(10, 32\), this dataset's are \(H, 7\)"),
        (pack({"actions": np.zeros((2, 10, 7))}), r"shape \(2, 10, 7\)"),
        (pack({"actions": np.full((1, 7), np.nan)}), "not finite"),
        (pack({"actions": "no"}), "not numbers"),
        (pack({"action": np.zeros((1, 7))}), "without actions: action"),
        (pack(3), "answers with a int"),
        (b"\xc1\xc1", "not a frame"),
    ],
)
def test_wrong_answers(answer, message):
    ours = conventions()
    with openpi_server(answer) as server:
        policy = OpenpiPolicy(server.url, ours)
        with pytest.raises(MstoolError, match=message):
            policy.act([0], [seen(ours)])
        policy.close()


def test_no_answer_in_time():
    ours = conventions()
    hold = threading.Event()
    with openpi_server(hold) as server:
        policy = OpenpiPolicy(server.url, ours, timeout_s=0.3)
        with pytest.raises(MstoolError, match=r"did not answer within 0\.3 s"):
            policy.act([0], [seen(ours)])
        hold.set()
        policy.close()


def test_another_layout_is_refused_before_the_first_step():
    metadata = pack({"mstool": {"layout": "droid", "control_mode": "pd_joint_pos"}})
    with openpi_server(None, metadata=metadata) as server, pytest.raises(UsageError, match="layout 'droid'"):
        OpenpiPolicy(server.url, conventions())


def padded(picture, size):
    """openpi's resize with padding, for a picture of one colour."""
    ratio = max(picture.shape[0] / size, picture.shape[1] / size)
    height, width = int(picture.shape[0] / ratio), int(picture.shape[1] / ratio)
    result = np.zeros((size, size, 3), np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    result[top : top + height, left : left + width] = picture[0, 0]
    return result


@pytest.mark.parametrize("size", [(180, 320), (256, 256), (128, 128), (320, 180)])
def test_padding_is_taken_away(size):
    picture = np.full((*size, 3), 200, np.uint8)
    back = fit(padded(picture, 224), size)
    np.testing.assert_array_equal(back, picture)
    assert fit(picture, size) is picture
