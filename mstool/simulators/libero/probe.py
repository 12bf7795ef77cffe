"""What LIBERO finds on this machine, as one line of JSON: run by `mstool doctor` in a process of its own."""

import json

from mstool.errors import SetupError
from mstool.simulators.libero.gl import choose_gl, render_backend
from mstool.simulators.libero.library import ASSETS_VARIABLE, assets_command, check_own_assets, find_assets
from mstool.simulators.libero.tasks import all_tasks


def probe() -> dict[str, str]:
    """Return {"tasks", "assets", "gl": what is there}, or {"status", "problem", "fix"} of the first that is missing."""
    try:
        tasks, assets = len(all_tasks()), find_assets()
        if assets is None:
            check_own_assets()
            fix = f"{assets_command()}; or {ASSETS_VARIABLE}=FOLDER"
            # A hub that answers gives them when they are needed.
            return {"status": "warning", "problem": "no meshes and textures", "fix": fix}
        return {"tasks": str(tasks), "assets": str(assets), "gl": f"{choose_gl()} ({render_backend()})"}
    except SetupError as error:
        return {"status": "missing", "problem": error.message, "fix": error.fix}


if __name__ == "__main__":
    print(json.dumps(probe()))  # noqa: T201
