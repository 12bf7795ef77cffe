"""api.md: what `import mstool` offers, and the protocols to write for; mkdocstrings puts the docstrings in."""

import mstool

INTRODUCTION = """# Python API

What the commands do can be called. Nothing heavy is imported before it is used. A problem is raised as `MstoolError`
(or one of its subclasses): `str(error)` names the cause, `error.fix` the command or the change that mends it.
"""
# What is written for or asked of, beside what `import mstool` offers: a heading, and the objects under it.
BEHIND = {
    "Layouts": ("mstool.layouts.get_layout", "mstool.layouts.base.Layout", "mstool.layouts.base.VectorMeaning"),
    "Datasets": ("mstool.dataset.record.read_record", "mstool.dataset.record.Record"),
    "Validation": ("mstool.validators.validate", "mstool.validators.report.ValidationReport"),
    "A policy of your own": ("mstool.evaluation.policy",),
}


def page() -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    if offered := [name for name in getattr(mstool, "__all__", ()) if not name.startswith("_")]:
        parts += ["## import mstool\n", *(_documented(_place(getattr(mstool, name))) for name in offered)]
    for heading, names in BEHIND.items():
        parts += [f"## {heading}\n", *(_documented(name) for name in names)]
    return "\n".join(parts)


def _place(offered: object) -> str:
    return f"{offered.__module__}.{offered.__qualname__}"  # type: ignore[attr-defined]


def _documented(name: str) -> str:
    return f"::: {name}\n"
