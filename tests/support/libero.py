"""Tests that need the extra `libero`."""

import importlib.util

import pytest

needs_libero = pytest.mark.skipif(
    importlib.util.find_spec("libero") is None, reason="make setup EXTRAS=libero brings LIBERO"
)
