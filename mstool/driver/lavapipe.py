"""The software Vulkan driver, Mesa's lavapipe: does SAPIEN render, and if not, which packages are missing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from mstool.driver.apt_sources import Source, backports_line, has_suite
from mstool.driver.shell import capture

# SAPIEN needs VK_KHR_external_semaphore_fd, which lavapipe has since this version.
OLDEST_MESA = (24, 3)
# SAPIEN links libX11, also where there is no display.
APT_PACKAGES = ("mesa-vulkan-drivers", "libvulkan1", "libx11-6")
BACKPORTS_FILE = "/etc/apt/sources.list.d/mstool-backports.list"

# In a process of its own: a driver may crash. The answer names the libraries that the drawing has loaded.
RENDER = """
import json, sapien
def draw(name):
    device = sapien.Device(name)
    scene = sapien.Scene([sapien.physx.PhysxCpuSystem(), sapien.render.RenderSystem(device)])
    camera = scene.add_camera("camera", 64, 64, 1.0, 0.01, 10.0)
    scene.update_render()
    camera.take_picture()
    assert camera.get_picture("Color").shape == (64, 64, 4)
problem = ""
for name in ("cuda", "cpu"):
    try:
        draw(name)
        break
    except Exception as error:
        problem = str(error)
else:
    name = ""
maps = {line.split()[-1] for line in open("/proc/self/maps")}
libraries = sorted(p for p in maps if p.startswith("/") and "vulkan" in p.lower() or "libGLX_nvidia" in p)
print(json.dumps({"device": name, "libraries": libraries, "problem": "" if name else problem}))
"""


@dataclass(frozen=True)
class Render:
    """What SAPIEN renders on: `device` is "cuda", "cpu" or "" with the `problem`."""

    device: str
    libraries: tuple[str, ...]
    problem: str


def try_render(python: str) -> Render:
    """Draw one 64x64 picture with SAPIEN, on the GPU if it can, else on the processor."""
    code, out, err = capture([python, "-W", "ignore", "-c", RENDER], timeout=120)
    return read_render(code, out, err)


def read_render(code: int, out: str, err: str) -> Render:
    """Read what the drawing process said; a crash of the driver is an answer too."""
    try:
        answer = json.loads(out.strip().split("\n")[-1])
        return Render(answer["device"], tuple(answer["libraries"]), answer["problem"])
    except (ValueError, KeyError, TypeError):
        last = (err.strip().split("\n") or [""])[-1]
        reason = f"it was killed by signal {-code}" if code < 0 else f"exit status {code}"
        return Render("", (), f"SAPIEN stopped while drawing ({reason}) {last}".strip())


@dataclass(frozen=True)
class Plan:
    """How to get the driver: packages, a source to add first, commands as root; `problem` says why not."""

    packages: tuple[str, ...] = ()
    source_line: str = ""
    commands: tuple[tuple[str, ...], ...] = ()
    automatic: bool = False
    problem: str = ""


def parse_os_release(text: str) -> dict[str, str]:
    """Read /etc/os-release: `ID=debian`, `VERSION_ID="12"`, ..."""
    pairs = (line.strip().partition("=") for line in text.split("\n") if "=" in line and not line.startswith("#"))
    return {name: value.strip("\"'") for name, _, value in pairs}


def plan_driver(system: Mapping[str, str], sources: list[Source]) -> Plan:
    """Decide which packages bring a lavapipe that SAPIEN can use, on this system, from its own mirrors."""
    like = [system.get("ID", ""), *system.get("ID_LIKE", "").split()]
    if "debian" in like or "ubuntu" in like:
        return _plan_apt(system, sources)
    commands = {
        "fedora": ("dnf", "install", "mesa-vulkan-drivers", "vulkan-loader", "libX11"),
        "arch": ("pacman", "-S", "vulkan-swrast", "vulkan-icd-loader", "libx11"),
        "suse": ("zypper", "install", "libvulkan_lvp", "libvulkan1", "libX11-6"),
    }
    for name, command in commands.items():
        if name in like:
            return Plan(command[2:], commands=(command,))
    return Plan(problem="install Mesa >= 24.3 with its software Vulkan driver (lavapipe), the Vulkan loader, libX11")


def _plan_apt(system: Mapping[str, str], sources: list[Source]) -> Plan:
    install: tuple[str, ...] = ("apt-get", "install", "-y", "--no-install-recommends", *APT_PACKAGES)
    source_line = ""
    if system.get("ID") == "debian" and system.get("VERSION_ID") == "12":
        suite = "bookworm-backports"
        if not has_suite(sources, suite):
            source_line = backports_line(sources, "bookworm")
            if not source_line:
                return Plan(
                    APT_PACKAGES,
                    problem=f"add {suite} to apt's sources: no source here serves Debian 12's main",
                )
        install = ("apt-get", "install", "-y", "--no-install-recommends", "-t", suite, *APT_PACKAGES)
    return Plan(APT_PACKAGES, source_line, (("apt-get", "update"), install), automatic=True)


def mesa_version(debian_version: str) -> tuple[int, int]:
    """Read Mesa's version out of a package's: "1:25.0.7-2~bpo12+1" is (25, 0); (0, 0) when there is none."""
    numbers = debian_version.rpartition(":")[2].split(".")
    try:
        return int(numbers[0]), int(numbers[1])
    except (ValueError, IndexError):
        return 0, 0


def candidate_version(policy: str) -> str:
    """Read the version apt would install out of `apt-cache policy NAME`."""
    found = [line.split(":", 1)[1].strip() for line in policy.split("\n") if line.strip().startswith("Candidate:")]
    return found[0] if found else ""


def libraries_there(libraries: object) -> bool:
    """Whether the driver libraries seen at the last drawing are still on the disk; costs nothing."""
    return isinstance(libraries, list) and bool(libraries) and all(Path(str(p)).exists() for p in libraries)


def read_system(path: Path = Path("/etc/os-release")) -> dict[str, str]:
    """Read what this system says it is; {} when it does not say."""
    return parse_os_release(path.read_text(errors="replace")) if path.is_file() else {}
