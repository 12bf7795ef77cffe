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


def offered() -> dict[str, str]:
    """Return {name: the path of what it means} of what `import mstool` offers."""
    names = {name: getattr(mstool, name) for name in getattr(mstool, "__all__", ())}
    return {name: f"{meant.__module__}.{meant.__qualname__}" for name, meant in names.items() if callable(meant)}


def page() -> str:
    """Return the page."""
    sections = {"import mstool": tuple(offered().values()), **BEHIND}
    parts = [INTRODUCTION]
    for heading, names in sections.items():
        once = [name for name in names if heading == "import mstool" or name not in sections["import mstool"]]
        parts += [f"## {heading}\n"] * bool(once) + [f"::: {name}\n" for name in once]
    return "\n".join(parts)
