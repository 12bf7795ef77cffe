"""Validators: would Pi0.5 understand this dataset? Checks, the runner and its report."""

from mstool.validators.report import CheckResult, Issue, ValidationReport
from mstool.validators.runner import validate

__all__ = ["CheckResult", "Issue", "ValidationReport", "validate"]
