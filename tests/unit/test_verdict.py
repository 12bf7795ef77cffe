"""ManiSkill is asked whether a task is solved when somebody wants to know, or each time where it remembers."""

import ast
from pathlib import Path

import mani_skill

from mstool.simulators.maniskill.verdict import REMEMBERING, Verdict


class Env:
    reward_mode = "none"

    def __init__(self):
        self.asked = 0
        self.steps = 0

    def get_info(self):
        self.asked += 1
        return {"success": self.steps == 2}

    def step(self, action):
        self.steps += 1
        return None, 0, False, False, self.get_info()


class Known(Env):
    """As one of ManiSkill's own."""


Known.__module__ = "mani_skill.envs.tasks.known"


def test_asked_only_when_somebody_wants_to_know():
    env = Known()
    verdict = Verdict(env)
    verdict.step(0)
    verdict.step(0)
    assert env.asked == 0
    assert verdict.info()["success"]
    assert verdict.info()["success"]
    assert env.asked == 1
    verdict.step(0)
    assert not verdict.info()["success"]


def test_an_environment_of_others_is_asked_after_every_step_and_no_more():
    env = Env()
    verdict = Verdict(env)
    for _ in range(3):
        verdict.step(0)
        verdict.info()
    assert env.asked == 3


def test_those_that_remember_are_known():
    """Every `evaluate` in ManiSkill that changes its environment, itself or through a method of the same class."""
    found = set()
    for path in (Path(mani_skill.__path__[0]) / "envs").rglob("*.py"):
        for cls in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(cls, ast.ClassDef):
                methods = {each.name: each for each in cls.body if isinstance(each, ast.FunctionDef)}
                if "evaluate" in methods and _changes(methods, "evaluate", set()):
                    found.add(cls.name)
    assert found == REMEMBERING


def _changes(methods, name, seen):
    seen.add(name)
    for node in ast.walk(methods[name]):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(_own(target) for target in targets if target is not None):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_self(node.func.value):
            called = node.func.attr
            if called in methods and called not in seen and _changes(methods, called, seen):
                return True
    return False


def _own(target):
    while isinstance(target, ast.Subscript):
        target = target.value
    return isinstance(target, ast.Attribute) and _is_self(target.value)


def _is_self(node):
    return isinstance(node, ast.Name) and node.id == "self"
