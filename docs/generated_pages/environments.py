"""environments.md: the manifest's tasks and every environment, from the tables that the commands read."""

from collections.abc import Iterator

from generated_pages.markdown import code, codes, table, text
from mstool.manifest import load_manifest
from mstool.simulators.benchmarks import BENCHMARKS
from mstool.simulators.environments import EnvironmentFacts

INTRODUCTION = """---
hide: [toc]
---

# Manifest and environments

## Tasks known by name

[datasets_manifest.yaml](../datasets_manifest.yaml) says of each task what no simulator says: the sentence that a
policy is trained on, the most steps of an episode, the goal marker that is hidden from cameras, the views. Its head
explains every field. `mstool build` converts the environments of a manifest, yours with `mstool
build FILE`. Any other environment converts with `mstool convert --env ENV --instruction "..." --layout native`.
"""
EVERY = """## Every environment

Found by building each of them once ([table](../benchmarks/results/environments.md)); `mstool envs ENV` says the same
of one, and whether it builds on your machine. `success: none` means that its demos are kept unjudged.
"""


def page() -> str:
    """Return the page."""
    parts = [
        INTRODUCTION,
        table(["task", "sentence", "horizon", "hidden goal", "views", "with `--all`"], _tasks()),
        EVERY,
    ]
    header = ["environment", "robot", "success", "official demos", "planner", "layouts", "views"]
    for benchmark in BENCHMARKS:
        parts += [f"### {benchmark.name}\n", table(header, map(_row, benchmark.environments()))]
    return "\n".join(parts)


def _tasks() -> Iterator[list[str]]:
    for task in load_manifest().values():
        every = "yes" if task.in_all else ""
        sentence = text(task.instruction) + (" (the gripper stays as it is)" if task.gripper_constant else "")
        yield [code(task.env_id), sentence, str(task.horizon), code(task.hidden_goal), codes(task.cameras), every]


def _row(facts: EnvironmentFacts) -> list[str]:
    success = {True: "yes", False: "none", None: "?"}[facts.success]
    made = "yes" if facts.planner else ""
    return [
        code(facts.env_id),
        text(facts.robot),
        success,
        text(", ".join(facts.demos)),
        made,
        codes(facts.layouts),
        codes(facts.views),
    ]
