"""mstool: ManiSkill3 demos to LeRobot datasets that Pi0.5 understands the first time.

The commands are functions here too, each imported when it is first asked for:

>>> import mstool
>>> reports = mstool.convert("PickCube-v1", demos="generate", episodes=5, output="data/pick")  # doctest: +SKIP
>>> mstool.validate(reports[0].root).valid  # doctest: +SKIP
True
"""

from importlib import import_module

__version__ = "0.3.0"

# As `typing` has it, whose import takes longer than all else here: a command can answer Ctrl-C that much earlier.
TYPE_CHECKING = False

# Which module has it.
_HOMES = {
    "generate": "mstool.api.demos",
    "convert": "mstool.api.convert",
    "build": "mstool.api.convert",
    "merge": "mstool.api.datasets",
    "export": "mstool.api.datasets",
    "describe": "mstool.api.datasets",
    "show": "mstool.api.datasets",
    "compute_stats": "mstool.api.stats",
    "validate": "mstool.api.validate",
    "finetune": "mstool.api.finetune",
    "improve": "mstool.api.improve",
    "evaluate": "mstool.api.evaluate",
    "compare": "mstool.api.evaluate",
    "push": "mstool.api.hub",
    "pull": "mstool.api.hub",
    "progress_to": "mstool.progress",
    "Step": "mstool.progress",
    "MstoolError": "mstool.errors",
    "UsageError": "mstool.errors",
    "DataError": "mstool.errors",
    "SetupError": "mstool.errors",
}

if TYPE_CHECKING:
    from mstool.api.convert import build, convert
    from mstool.api.datasets import describe, export, merge, show
    from mstool.api.demos import generate
    from mstool.api.evaluate import compare, evaluate
    from mstool.api.finetune import finetune
    from mstool.api.hub import pull, push
    from mstool.api.improve import improve
    from mstool.api.stats import compute_stats
    from mstool.api.validate import validate
    from mstool.errors import DataError, MstoolError, SetupError, UsageError
    from mstool.progress import Step, progress_to

__all__ = [
    "DataError",
    "MstoolError",
    "SetupError",
    "Step",
    "UsageError",
    "build",
    "compare",
    "compute_stats",
    "convert",
    "describe",
    "evaluate",
    "export",
    "finetune",
    "generate",
    "improve",
    "merge",
    "progress_to",
    "pull",
    "push",
    "show",
    "validate",
]


def __getattr__(name: str) -> object:
    """Import what is asked for: torch and SAPIEN wait until they are needed."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mstool' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
