"""The steps of `tools/setup.py`. Standard library only, Python 3.9 or newer: nothing is installed yet."""
