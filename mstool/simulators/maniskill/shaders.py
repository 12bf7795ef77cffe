"""ManiSkill's shaders for a scene that no environment map lights: the same pictures, begun ten times as fast.

For the reflections of an environment map SAPIEN first makes a table of 512 x 512 integrals, in every process, if the
shaders ask for it at all. A graphics card has it at once; on Mesa's lavapipe it takes eleven seconds of processor time.
Without a map that light is black, whatever the table says.
"""

import os
import re
from functools import cache
from pathlib import Path

from mstool.atomic import replace_texts

# ManiSkill's own observations use this pack: flat 8-bit colour, equal to `obs_mode="rgb"` in every pixel.
PACK = "minimal"
_TABLE = "samplerBRDFLUT"
_DECLARED = re.compile(rf"^.*uniform sampler2D {_TABLE};.*\n", re.MULTILINE)
_LOOKED_UP = re.compile(rf"texture\({_TABLE}, vec2\(\w+, \w+\)\)\.xy")


@cache
def without_table() -> str:
    """Return the folder of the pack that asks for no table, written below `$XDG_CACHE_HOME/mstool` where it is absent.

    SAPIEN's own pack, by its name, where that has other words than those known, or no folder can be written to.
    """
    import sapien

    theirs = Path(sapien.__file__).parent / "vulkan_shader"
    ours = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mstool" / f"shaders-{sapien.__version__}"
    try:
        # The pack includes files of the folder beside it.
        texts = {
            ours / path.relative_to(theirs): _LOOKED_UP.sub("vec2(0)", _DECLARED.sub("", path.read_text("utf-8")))
            for folder in (PACK, "common")
            for path in sorted((theirs / folder).iterdir())
        }
        if any(_TABLE in text for text in texts.values()):
            return PACK
        replace_texts({path: text for path, text in texts.items() if _read(path) != text})
    except (OSError, UnicodeDecodeError):
        return PACK
    return str(ours / PACK)


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
