"""The one place where ManiSkill's environments are built, and where one that cannot be built is told."""

import contextlib
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mstool.errors import DataError, MstoolError, SetupError, UsageError
from mstool.installation import fix_command
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.devices import render_device
from mstool.simulators.maniskill.registry import load_maniskill

# What ManiSkill prints of files that it lacks, before it asks whether to download them.
_LACKING = re.compile(r"(?:Could not find asset|Robot) (\S+) (?:definition file not found )?at (\S+)")

# The command that fetches files, but for their name.
FETCH = "python -m mani_skill.utils.download_asset "
# What it says where it says itself how to fetch them.
_FETCH = re.compile(r"python -m mani_skill\.utils\.download_asset \S+")
# What a module says when a package of an environment of its own is missing.
_PACKAGE = re.compile(r"pip install (\S+)")
# Observation modes that need no device to render on.
_WITHOUT_PICTURES = {"none", "state"}


def arguments_of(spec: SimulatorSpec) -> dict[str, Any]:
    """Return what an environment is made with beside its name and control mode."""
    return {**spec.env_kwargs, **({"robot_uids": spec.robot} if spec.robot else {})}


def build_env(
    env_id: str,
    control_mode: str | None,
    arguments: Mapping[str, Any],
    *,
    said_in: str = "",
    rendered: bool = False,
    **ours: Any,
) -> Any:
    """Build an environment on PhysX's CPU back end that observes nothing by itself.

    Parameters
    ----------
    env_id
        An environment that ManiSkill registers.
    control_mode
        ManiSkill's name of the controller; None takes the robot's first.
    arguments
        What demos were recorded with; a list in the place of robots is the tuple that JSON cannot hold.
    said_in
        What says the arguments, for an error to name: a demo file's `.json`, or a dataset's record.
    rendered
        Whether pictures are to be taken; else no device is needed.
    **ours
        Further arguments of `gymnasium.make`.

    Raises
    ------
    DataError
        The environment's own code refuses its arguments.
    UsageError
        The robot has no such control mode.
    SetupError
        No device to render on, or files of the robot or the scene are not on this machine.

    """
    import gymnasium

    load_maniskill()
    from mani_skill.utils.registration import REGISTERED_ENVS

    cls = REGISTERED_ENVS[env_id].cls
    observes = _least(cls.SUPPORTED_OBS_MODES)
    kwargs = {name: tuple(v) if name == "robot_uids" and isinstance(v, list) else v for name, v in arguments.items()}
    said = io.StringIO()
    try:
        with _asking_nobody(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            env = gymnasium.make(
                env_id,
                obs_mode=observes,
                reward_mode=_least(cls.SUPPORTED_REWARD_MODES),
                control_mode=control_mode,
                sim_backend="physx_cpu",
                render_backend=render_device() if rendered or observes not in _WITHOUT_PICTURES else "none",
                **ours,
                **kwargs,
            )
            # Some only know pictures as observations: they are built with these, and then asked for none.
            env.unwrapped._obs_mode = "none"
            return env
    except MstoolError:  # no device to render on
        raise
    except (EOFError, SystemExit) as error:
        raise _lacking(env_id, said.getvalue()) from error
    except Exception as error:
        cause = error.__cause__ or error  # gymnasium adds all arguments to the message
        if isinstance(cause, AssertionError) and "not in supported modes" in str(cause):
            raise UsageError(
                f"{env_id} with control mode {control_mode!r}: {cause}",
                fix=f"mstool convert --env {env_id} --layout native"
                + (f"  # it takes any; or correct {said_in}" if said_in else ""),
            ) from error
        if isinstance(cause, RuntimeError) and rendered and "device" in str(cause).lower():
            raise SetupError(f"SAPIEN found no device to render on: {cause}", fix=fix_command()) from error
        if isinstance(cause, ImportError) and (package := _PACKAGE.search(str(cause))):
            raise SetupError(f"{env_id} cannot be built: {cause}", fix=package.group(0)) from error
        if fetch := _fetch_command(cause):
            raise SetupError(f"{env_id} cannot be built: {cause}", fix=fetch) from error
        if isinstance(cause, AttributeError) and not rendered and "render" in str(cause):
            # It changes what its bodies look like, and they have no looks without a renderer (PushT).
            return build_env(env_id, control_mode, arguments, said_in=said_in, rendered=True, **ours)
        raise _unbuildable(env_id, kwargs, said_in, cause) from error


def _least(supported: Sequence[str]) -> str:
    """Return the cheapest of the modes that an environment supports, in which it observes or rewards."""
    return next((mode for mode in ("none", "state") if mode in supported), supported[0])


@contextlib.contextmanager
def _asking_nobody(said: io.StringIO) -> Iterator[None]:
    """Let questions go unanswered, and keep what is printed: standard output belongs to the command's result."""
    terminal = sys.stdin
    with open(os.devnull) as nobody, contextlib.redirect_stdout(said):  # noqa: PTH123
        sys.stdin = nobody
        try:
            yield
        finally:
            sys.stdin = terminal


def _lacking(env_id: str, said: str) -> SetupError:
    found = _LACKING.search(said)
    what, where = found.groups() if found else (env_id, "")
    return SetupError(
        f"{env_id} cannot be built: files of {what} are not on this machine" + (f" ({where})" if where else ""),
        fix=" && ".join(f"{FETCH}{name}" for name in dict.fromkeys([what, *_lacking_robots(env_id)])),
    )


def _lacking_robots(env_id: str) -> list[str]:
    """Return what is missing of robots that are made for the environment: they would be missed next."""
    from mani_skill.agents.registration import REGISTERED_AGENTS
    from mani_skill.utils import assets
    from mani_skill.utils.registration import REGISTERED_ENVS

    beside = REGISTERED_ENVS[env_id].cls.__module__.rpartition(".")[0] + "."
    own = [spec for spec in REGISTERED_AGENTS.values() if spec.agent_cls.__module__.startswith(beside)]
    names = [name for spec in own for name in spec.asset_download_ids if name in assets.DATA_SOURCES]
    return [name for name in names if not assets.is_data_source_downloaded(name)]


def _fetch_command(cause: BaseException) -> str:
    """Return the command that fetches what an environment's own code did not find; empty where that is not known."""
    if said := _FETCH.search(str(cause)):
        return said.group(0)
    if not isinstance(cause, FileNotFoundError) or cause.filename is None:
        return ""
    from mani_skill.utils.assets.data import DATA_SOURCES

    missing = Path(os.fsdecode(cause.filename))
    # The innermost folder, where one lies in another.
    folders = {Path(each.output_dir) / (each.target_path or ""): name for name, each in DATA_SOURCES.items()}
    found = [folder for folder in folders if missing.is_relative_to(folder)]
    return (
        f"python -m mani_skill.utils.download_asset {folders[max(found, key=lambda f: len(f.parts))]}" if found else ""
    )


def _unbuildable(env_id: str, kwargs: Mapping[str, Any], said_in: str, cause: BaseException) -> DataError:
    given = ", ".join(f"{name}={value!r}" for name, value in kwargs.items())
    if not given:
        return DataError(f"{env_id} cannot be built: {type(cause).__name__}: {cause}", fix="mstool doctor")
    # It builds its environments here.
    from mstool.simulators.maniskill.solve import other_demos

    where = f", as {said_in} says" if said_in else ""
    return DataError(
        f"{env_id} cannot be built with {given}{where}: {type(cause).__name__}: {cause}",
        fix=f"correct env_kwargs in {said_in or 'the record of the demos'}, or convert other demos: "
        f"{other_demos(env_id)}",
    )
