"""Install the software Vulkan driver with the rights there are, or say how."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Callable

from mstool.driver.apt_sources import read_sources
from mstool.driver.lavapipe import (
    BACKPORTS_FILE,
    OLDEST_MESA,
    Plan,
    Render,
    candidate_version,
    mesa_version,
    plan_driver,
    read_system,
    try_render,
)
from mstool.driver.shell import SetupError, capture, run, say


def root_prefix() -> list[str] | None:
    """How to run a command as root without being asked: [] as root, else sudo, None when there is no way."""
    if os.geteuid() == 0:
        return []
    return ["sudo", "-n"] if capture(["sudo", "-n", "true"], timeout=10)[0] == 0 else None


def by_hand(plan: Plan) -> str:
    """Write the plan as the commands a person types."""
    lines = [f"  sudo {shlex.join(command)}" for command in plan.commands]
    if plan.source_line:
        lines.insert(0, f"  echo {shlex.quote(plan.source_line)} | sudo tee {BACKPORTS_FILE}")
    return "\n".join(lines or [f"  {plan.problem}"])


def ensure_driver(
    python: str,
    *,
    try_render: Callable[[str], Render] = try_render,
    rights: Callable[[], list[str] | None] = root_prefix,
    etc: Path = Path("/etc"),
) -> Render:
    """Make SAPIEN render, or raise `SetupError` with the commands that a person has to type."""
    render = try_render(python)
    if render.device:
        return render
    plan = plan_driver(read_system(etc / "os-release"), read_sources(etc / "apt"))
    say(f"No Vulkan device that SAPIEN renders on: {render.problem}")
    if plan.packages:
        say("Missing system packages: " + " ".join(plan.packages))
    prefix = rights()
    if not plan.automatic or prefix is None:
        why = "Run" if plan.automatic is False else "This needs root. Run"
        raise SetupError(f"{why}, then the same command again:\n{by_hand(plan)}")
    say(f"Installing them:\n{by_hand(plan)}")
    install(plan, prefix)
    render = try_render(python)
    if not render.device:
        raise SetupError(f"The packages are installed, and SAPIEN still does not render: {render.problem}")
    return render


def install(plan: Plan, prefix: list[str]) -> None:
    """Add the source, update, check that Mesa is new enough, install; take the source back when it fails."""
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    update, packages = plan.commands
    if plan.source_line:
        script = 'printf "%s\\n" "$1" > "$2" && chmod 644 "$2"'
        if run([*prefix, "sh", "-c", script, "sh", plan.source_line, BACKPORTS_FILE]) != 0:
            raise SetupError(f"cannot write {BACKPORTS_FILE}")
    updated = run([*prefix, *environment, *update]) == 0
    _, policy, _ = capture(["apt-cache", "policy", plan.packages[0]])
    version = candidate_version(policy)
    # The candidate counts only without -t: a target release is chosen at install time.
    if "-t" not in packages and mesa_version(version) < OLDEST_MESA:
        raise SetupError(
            f"This system offers Mesa {version or 'nothing'}; SAPIEN's software rendering needs "
            f"{OLDEST_MESA[0]}.{OLDEST_MESA[1]}: use Debian 12 or newer, Ubuntu 24.04 with its updates, "
            f"or a machine with an NVIDIA driver."
        )
    if not updated or run([*prefix, *environment, *packages]) != 0:
        if plan.source_line:
            run([*prefix, "rm", "-f", BACKPORTS_FILE])
        raise SetupError(f"apt could not install {' '.join(plan.packages)} (see above). Try:\n{by_hand(plan)}")
