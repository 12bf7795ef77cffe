"""openpi's frames: equal to recorded ones in every byte, and any array comes back as it was."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.openpi_server import FRAMES, frame

from mstool.errors import DataError
from mstool.evaluation.openpi.wire import pack, unpack


def picture(start, height=2, width=3):
    return (np.arange(height * width * 3) + start).astype(np.uint8).reshape(height, width, 3)


MESSAGES = {
    "metadata": {"reset_pose": [0, -1.5, 1.5, 0, 0, 0], "name": "pi05_maniskill", "action_horizon": np.int32(10)},
    "observation_libero": {
        "observation/image": picture(0),
        "observation/wrist_image": picture(100),
        "observation/state": np.array([0.1, -0.2, 0.3, 3.1415927, 0.0, -0.5, 0.04, -0.04], np.float32),
        "prompt": "pick up the red cube",
    },
    "observation_droid": {
        "observation/exterior_image_1_left": picture(0),
        "observation/wrist_image_left": picture(100),
        "observation/joint_position": np.linspace(-1.5, 1.5, 7),
        "observation/gripper_position": np.array([0.25]),
        "prompt": "stack the cubes",
    },
    "scalars": {
        "zero_d": np.array(7, np.int16),
        "float32": np.float32(1.5),
        "float64": np.float64(0.1),
        "int64": np.int64(-3),
        "uint8": np.uint8(255),
        "bool": np.bool_(True),
        "float16": np.float16(0.5),
        "empty": np.zeros((0, 8), np.float32),
        "big_endian": np.array([1, 2, 3], ">i4"),
        "strided": np.arange(12, dtype=np.int32).reshape(3, 4)[:, ::2],
        "fortran": np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
        "bools": np.array([True, False]),
        "text": np.array(["ab", "c"]),
        "plain": [1, 2.5, None, True, "x", b"y"],
        "nested": {"a": np.array([1.0], np.float16)},
    },
}
BINARY = sorted(path.stem for path in FRAMES.glob("*.hex"))


@pytest.mark.parametrize("name", MESSAGES)
def test_bytes_are_those_of_openpi(name):
    assert pack(MESSAGES[name]) == frame(name)


@pytest.mark.parametrize("name", BINARY)
def test_recorded_frames_go_through_unchanged(name):
    assert pack(unpack(frame(name))) == frame(name)


def test_recorded_values():
    read = unpack(frame("scalars"))
    assert read["zero_d"].shape == ()
    assert read["zero_d"].dtype == np.int16
    assert isinstance(read["float32"], np.float32)
    assert type(read["float64"]) is float
    assert read["empty"].shape == (0, 8)
    assert read["big_endian"].tolist() == [1, 2, 3]
    actions = unpack(frame("answer_libero_2"))
    np.testing.assert_array_equal(actions["actions"], (np.arange(21) / 8).reshape(3, 7))
    assert set(actions) >= {"actions", "policy_timing", "server_timing"}
    assert set(actions["server_timing"]) == {"infer_ms", "prev_total_ms"}


arrays = hnp.arrays(
    dtype=st.one_of(
        hnp.integer_dtypes(endianness="?"),
        hnp.unsigned_integer_dtypes(endianness="?"),
        hnp.floating_dtypes(sizes=(16, 32, 64), endianness="?"),
        hnp.boolean_dtypes(),
    ),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


@given(arrays)
def test_any_array_comes_back(array):
    back = unpack(pack({"a": [array, {"b": array}]}))["a"]
    for each in (back[0], back[1]["b"]):
        assert each.dtype == array.dtype
        assert each.shape == array.shape
        np.testing.assert_array_equal(each, array)


@given(arrays)
def test_any_number_comes_back(array):
    for number in array.ravel()[:1]:
        back = unpack(pack(number))
        np.testing.assert_equal(back, number)
        assert type(back) is (float if isinstance(number, np.float64) else type(number))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(DataError):
        unpack(data)


@given(st.data())
def test_damaged_frames_are_read_or_refused(data):
    whole = bytearray(frame("scalars"))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DataError):
        unpack(bytes(whole))


@pytest.mark.parametrize(
    "refused", [np.array([1j]), np.array([object()]), {"a": object()}, 2**70, np.zeros(1, [("a", "i4")])]
)
def test_what_has_no_place_is_refused(refused):
    with pytest.raises(DataError, match="cannot be sent"):
        pack(refused)


@pytest.mark.parametrize("dtype", ["|O", ",", "<i4,<f4", "<c8", "int32", "<M8[", 4, None, [["a", "<i4"]]])
def test_other_dtypes_are_not_read(dtype):
    import msgpack

    bad = msgpack.packb({b"__ndarray__": True, b"data": b"\0" * 8, b"dtype": dtype, b"shape": [1]})
    with pytest.raises(DataError, match="not a frame"):
        unpack(bad)
