"""Validators: would Pi0.5 understand this dataset? Checks, the runner and its report.

checks/, targets/        what is checked, and against what; check is the base
runner, report           all checks over a dataset, and what they found
html, svg                the same as a page
record                   the verdict, kept in the dataset
sampling                 how much of a large dataset is looked at
meanings                 what the vectors mean and who says so; classify tells it by numbers, axes names them
origin                   whether it was recorded in ManiSkill
tracks                   motion beside commands; poses and kinematics say where the hand is, regression how sure,
                         commanded whose commands they are, motion how axes answer, followed and beginnings one episode
clips                    how images move; ways, which way up they can be
claims                   what a person says of a dataset, tested before it is believed; claimed_record is its record
show/                    `mstool show`
"""

from mstool.validators.report import CheckResult, Issue, ValidationReport
from mstool.validators.runner import validate

__all__ = ["CheckResult", "Issue", "ValidationReport", "validate"]
