"""`mstool show`: what a person wants to see of a dataset first."""

from mstool.validators.show.run import Shown, show

__all__ = ["Shown", "show"]
