"""The steps of `tools/setup.py` beside `mstool.driver`. Standard library only, Python 3.9 or newer."""
