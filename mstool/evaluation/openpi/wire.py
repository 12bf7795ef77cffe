"""openpi's frames: msgpack with numpy arrays in it, byte for byte.

Read in openpi's `packages/openpi-client/src/openpi_client/msgpack_numpy.py`; `tests/data/openpi_frames` holds frames
that openpi's own code wrote. PyPI's `openpi-client` asks for numpy < 2, so the format is spoken here.

==============  =====================================================================================
array           {b"__ndarray__": true, b"data": C-ordered bytes, b"dtype": "<f4", b"shape": [H, W, 3]}
numpy scalar    {b"__npgeneric__": true, b"data": the Python number, b"dtype": "<f4"}
np.float64      a plain float: msgpack takes it for one, and so does openpi
==============  =====================================================================================
"""

import re
from collections.abc import Mapping
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np

from mstool.errors import DataError

_ARRAY, _SCALAR = b"__ndarray__", b"__npgeneric__"
# Raw records, Python objects and complex numbers: openpi sends none of them.
_REFUSED = "VOc"
# What numpy writes as `dtype.str` for all others; its own parser reads far more, and fails in many ways.
_DTYPE = re.compile(r"[<>|=][biufSUmM]\d{1,9}(\[\w+\])?")


def pack(message: object) -> bytes:
    """Write a message of dicts, lists, text, numbers and numpy arrays as one frame.

    Raises
    ------
    DataError
        It holds something that the format has no place for.

    """
    try:
        return bytes(msgpack.packb(message, default=_encode))
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"this cannot be sent to an openpi client or server: {error}") from error


def unpack(frame: bytes) -> Any:
    """Read a frame. Arrays are views of the frame's bytes, and so cannot be written to.

    Raises
    ------
    DataError
        The bytes are not such a frame.

    """
    try:
        return msgpack.unpackb(frame, object_hook=_decode)
    except (ValueError, TypeError, KeyError, OverflowError, msgpack.UnpackException) as error:
        raise DataError(f"{len(frame)} bytes that are not a frame of openpi's protocol: {error}") from error


def _encode(value: object) -> dict[bytes, object]:
    """Write what msgpack itself does not know."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in _REFUSED:
        raise TypeError(f"an array of dtype {value.dtype}")
    if isinstance(value, np.ndarray):
        return {_ARRAY: True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic):
        return {_SCALAR: True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"a {type(value).__name__}")


def _decode(value: Mapping[Any, Any]) -> object:
    """Turn a map that stands for an array or a number into it; any other stays."""
    if _ARRAY in value:
        return np.ndarray(buffer=value[b"data"], dtype=_dtype(value), shape=tuple(value[b"shape"]))
    if _SCALAR in value:
        return _dtype(value).type(value[b"data"])
    return value


def _dtype(value: Mapping[Any, Any]) -> np.dtype[Any]:
    text = value[b"dtype"]
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise TypeError(f"an array of dtype {text!r}")
    return np.dtype(text)
