"""The user's own openpi as the engine: one script and its norm stats; openpi itself stays as it is."""

from mstool.training.openpi.report import OpenpiReport
from mstool.training.openpi.write import write_openpi_run

__all__ = ["OpenpiReport", "write_openpi_run"]
