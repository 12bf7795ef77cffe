"""Datasets written, one module for each version of LeRobot's format. To add one: a module, and its `Format` here.

base        what a format says of itself, and what it is given to write
rows        an episode's rows and their parquet schema
v3, v21     the two formats
"""

from mstool.contract import Version
from mstool.dataset.formats.base import Format
from mstool.dataset.formats.v3 import V3
from mstool.dataset.formats.v21 import V21

FORMATS: dict[Version, Format] = {each.version: each for each in (V3, V21)}
