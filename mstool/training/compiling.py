"""How the passes of the bundled policy's network are launched (`--compile`)."""

import shutil
from typing import Any, Literal

# `auto` replays them as CUDA graphs, `on` has torch compile them, `off` launches every kernel from Python.
Compile = Literal["auto", "on", "off"]


def prepare(policy: Any, mode: str, processes: int) -> str:
    """Have `policy` run as `mode` says from its next step on; the line that says so, empty where nothing changes.

    Parameters
    ----------
    policy
        What is trained; only the bundled policy can be told.
    mode
        `auto` costs some seconds. `on` stands still for minutes (185 s seen on an H200) and pays in long runs.
    processes
        How many train together. Recorded passes do not tell the others when a gradient is there.

    """
    if mode == "auto" and processes == 1 and hasattr(policy, "record_network") and policy.record_network():
        return "the network's passes are recorded and replayed (--compile off launches every kernel)"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if mode == "on" and compiler and hasattr(policy, "compile_network") and policy.compile_network():
        return "torch compiles the network, which takes minutes (--compile auto starts at once)"
    return ""
