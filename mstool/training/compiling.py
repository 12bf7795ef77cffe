"""Whether and when the bundled policy's network is compiled (`--compile`)."""

import shutil
import time
from collections.abc import Callable
from typing import Any, Literal

Compile = Literal["auto", "on", "off"]

# Of an H200 at a batch of 64: it stands still for so many seconds, and every step then takes that much less.
_COST_S = 185.0
_GAIN = 0.11
# Steps between which the pace is measured: the first ones load libraries.
_FROM, _TO = 100, 300


class Compiling:
    """Decides once: at the first step (`on`), never (`off`), or when the pace is known and it pays (`auto`)."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self._steps = 0
        self._since = 0.0

    def after_step(self, policy: Any, left: Callable[[float], float]) -> bool:
        """Count a step, compile `policy` if it is time to, and tell whether that was done.

        Parameters
        ----------
        policy
            What is trained.
        left
            From the pace, s per step, to the seconds that the run still takes.

        """
        self._steps += 1
        if self._steps == _FROM:
            self._since = time.monotonic()
        now = self.mode == "on" and self._steps == 1
        if self.mode == "auto" and self._steps == _TO:
            pace = (time.monotonic() - self._since) / (_TO - _FROM)
            now = pays(left(pace))
        if not now or not hasattr(policy, "compile_network") or not (shutil.which("cc") or shutil.which("gcc")):
            return False  # torch needs a C compiler
        policy.compile_network()
        return True


def pays(seconds: float) -> bool:
    """Tell whether compiling ends a run sooner that would take `seconds` more."""
    return seconds * _GAIN > _COST_S
