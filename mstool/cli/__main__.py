"""`python -m mstool.cli` is `mstool`."""

from mstool.cli.main import main

main()
