"""The official demos, from `haosulab/ManiSkill_Demonstrations` or a mirror of it."""

import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from mstool.errors import DataError, MstoolError
from mstool.hub_files import another_hub, briefly, hub_refusal
from mstool.simulators.hdf5 import MOST_RATIO, SPARE_BYTES
from mstool.simulators.maniskill.demos.reader import find_h5
from mstool.simulators.maniskill.solve import solvable_envs

REPO = "haosulab/ManiSkill_Demonstrations"
# What ManiSkill 3.0.1's `mani_skill/utils/download_demo.py` lists, and the one more that the repository has.
# Their kinds: ManiSkill's `scripts/data_generation/motionplanning.sh` and `rl.sh`, which made them, and the folders of
# its repositories on the hub.
_PLANNED, _LEARNT, _TELEOPERATED = "motionplanning", "rl", "teleop"
OFFICIAL: dict[str, tuple[str, ...]] = {
    "AnymalC-Reach-v1": (_LEARNT,),
    "DrawTriangle-v1": (_PLANNED,),
    "LiftPegUpright-v1": (_PLANNED, _LEARNT),
    "PegInsertionSide-v1": (_PLANNED,),
    "PickCube-v1": (_PLANNED, _LEARNT, _TELEOPERATED),
    "PlaceSphere-v1": (_PLANNED,),
    "PlugCharger-v1": (_PLANNED,),
    "PokeCube-v1": (_LEARNT,),
    "PullCube-v1": (_PLANNED, _LEARNT),
    "PullCubeTool-v1": (_PLANNED,),
    "PushCube-v1": (_PLANNED, _LEARNT),
    "PushT-v1": (_LEARNT,),
    "RollBall-v1": (_LEARNT,),
    "StackCube-v1": (_PLANNED, _LEARNT),
    "StackPyramid-v1": (_PLANNED,),
    "TwoRobotPickCube-v1": (_LEARNT,),
    "TwoRobotStackCube-v1": (_LEARNT,),
}
# A demo archive is worth waiting for, but not a connection that does not open.
PROBE_SECONDS = 3.0


def endpoint() -> str:
    """Return the hub's address: `HF_ENDPOINT`, else the library's own default."""
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT") or constants.ENDPOINT


def reachable() -> bool:
    """Tell whether the hub answers within `PROBE_SECONDS`."""
    if os.environ.get("HF_HUB_OFFLINE", "") in {"1", "true", "True"}:
        return False
    try:
        request = Request(f"{endpoint()}/api/datasets/{REPO}")  # noqa: S310 - the user's own endpoint
        with urlopen(request, timeout=PROBE_SECONDS):  # noqa: S310
            return True
    except (URLError, OSError, ValueError):
        return False


def download_demos(env_id: str, folder: Path) -> Path:
    """Fetch and unpack the archive of `env_id` into `folder`, once; return the motion-planning `.h5` in it.

    Raises
    ------
    DataError
        There is no archive for this environment, or it holds no demos.
    MstoolError
        The hub cannot be reached or breaks off.

    """
    target = folder / "hub"
    if not target.is_dir():
        archive = _fetch(env_id)
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".hub.", dir=folder))
        try:
            with zipfile.ZipFile(archive) as packed:
                unpacked = sum(entry.file_size for entry in packed.infolist())
                if unpacked > SPARE_BYTES + MOST_RATIO * archive.stat().st_size:
                    raise DataError(
                        f"{archive} announces {unpacked / 1e9:.1f} GB, more than an archive of its size holds",
                        fix=f"mstool convert --env {env_id} --demos generate",
                        change={"--demos": "generate"},
                    )
                packed.extractall(aside)
            aside.rename(target)
        except zipfile.BadZipFile as error:
            raise DataError(f"{archive} is not a zip archive; delete it and try again", fix=f"rm {archive}") from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    planned = [path for path in target.rglob("*.h5") if "motionplanning" in path.parts]
    return find_h5(planned[0] if len(planned) == 1 else target)


def _fetch(env_id: str) -> Path:
    import httpx
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    name = f"demos/{env_id}.zip"
    refusal = hub_refusal(endpoint())
    try:
        with briefly(refusal):
            return Path(hf_hub_download(REPO, name, repo_type="dataset", endpoint=endpoint()))
    except (LocalEntryNotFoundError, httpx.HTTPError, OSError) as error:
        if isinstance(error, HfHubHTTPError) and not isinstance(error, LocalEntryNotFoundError):
            if isinstance(error, EntryNotFoundError):
                raise DataError(
                    f"{REPO} has no {name}",
                    fix=f"mstool convert --env {env_id} --demos generate",
                    change={"--demos": "generate"},
                ) from error
            raise MstoolError(f"{endpoint()} refused {REPO}: {error}", fix="check HF_ENDPOINT and HF_TOKEN") from error
        first = "unset HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else "set HF_ENDPOINT to a mirror"
        said = f"{refusal or f'{endpoint()} cannot be reached: {error}'}; {first}"
        if env_id not in solvable_envs():
            again = f"mstool convert --env {env_id} --demos hub"
            raise MstoolError(f"{said}, or give --demos FILE.h5", fix=f"{another_hub()}{again}") from error
        raise MstoolError(
            f"{said}, or have the demos generated",
            fix=f"mstool convert --env {env_id} --demos generate",
            change={"--demos": "generate"},
        ) from error
