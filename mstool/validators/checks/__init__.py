"""The checks, one module per subject; a code's first digit is its family.

MS1 structure, MS2 timing, MS3 video, MS4 state and actions, MS5 meaning, MS6 statistics, MS7 contract, MS8 provenance
and replay.
"""

import importlib
import pkgutil


def load_checks() -> None:
    """Import every module of this package, which fills the table of checks."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
