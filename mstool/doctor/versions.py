"""Installed packages against what mstool asks for."""

import importlib
import platform
import sys
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement

from mstool import __version__
from mstool.doctor.line import Line, first_line
from mstool.installation import DISTRIBUTION, fix_command, installed, repair_command

SHOWN = ("numpy", "torch", "lerobot", "mani_skill", "sapien", "datasets", "av")


def python_line() -> Line:
    """Python itself: lerobot >= 0.5 needs 3.12, and the lock is for that one."""
    found = f"{platform.python_version()} ({sys.executable})"
    return (
        Line("python", "ok", found)
        if sys.version_info[:2] == (3, 12)
        else Line("python", "missing", found, f"{repair_command()}  # in an environment of Python 3.12")
    )


def wanted() -> dict[str, Requirement]:
    """Return what mstool's own metadata asks for, by normalised name; {} when mstool itself is not installed."""
    try:
        texts = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return {}
    parsed = [Requirement(text) for text in texts]
    return {_normal(r.name): r for r in parsed if r.marker is None or r.marker.evaluate({"extra": ""})}


def package_line(name: str, found: str, requirement: Requirement | None) -> Line:
    """One package: there, and in a version that mstool's metadata allows."""
    fix = repair_command(_plain(requirement) if requirement is not None else name)
    if not found:
        return Line(name, "missing", "not installed", fix)
    if requirement is not None and not requirement.specifier.contains(found, prereleases=True):
        return Line(name, "missing", f"{found}, wanted {requirement.specifier}", fix)
    return Line(name, "ok", found)


def package_lines() -> list[Line]:
    """One line for each package that a dataset's content depends on."""
    requirements = wanted()
    return [package_line(name, installed(name), requirements.get(_normal(name))) for name in SHOWN]


def opencv_line(plain: str, headless: str, problem: str) -> Line:
    """Judge `cv2`, the folder that two distributions own: pip leaves the files of the one it installed last.

    Parameters
    ----------
    plain, headless
        Versions of opencv-python, which draws windows and needs libGL, and of opencv-python-headless; "" for none.
    problem
        Why `import cv2` fails, "" where it does not.

    """
    found = ", ".join(
        f"{name} {version}"
        for name, version in (("opencv-python-headless", headless), ("opencv-python", plain))
        if version
    )
    if problem or not found:
        return Line("cv2", "missing", ": ".join(filter(None, [found or "not installed", problem])), fix_command())
    if plain and headless and plain != headless:
        return Line("cv2", "missing", f"{found}, in one folder", fix_command())
    return Line("cv2", "ok", found)


def opencv_problem() -> str:
    """Return why OpenCV cannot be imported, "" where it can: without a display's libraries opencv-python cannot."""
    try:
        importlib.import_module("cv2")
    except ImportError as error:
        return first_line(error)
    return ""


def mplib_line(found: str) -> Line:
    """Look for mplib, which ManiSkill asks for: its planner ends the process under numpy 2, and mstool has its own."""
    if not found:
        return Line("mplib", "ok", "not installed (mstool plans without it)")
    return Line("mplib", "warning", f"{found}: crashes under numpy 2; mstool does not load it", fix_command())


def clash_line(other: str) -> Line:
    """Look for another project's distribution that is called `mstool`: it owns the same folder and overwrites ours."""
    if not other:
        return Line("mstool", "ok", f"{DISTRIBUTION} {__version__}")
    return Line(
        "mstool",
        "missing",
        f"the distribution mstool {other}, of another project, lies over {DISTRIBUTION} {__version__}",
        repair_command(remove="mstool"),
    )


def ray_line(found: str) -> Line:
    """Ray spreads a conversion over a cluster; one machine does without."""
    return Line("ray", "ok", found or "not installed (optional: conversion on a cluster)")


def _plain(requirement: Requirement) -> str:
    """Return a requirement as a command line takes it: name, extras and versions, without markers."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
