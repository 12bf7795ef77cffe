"""What environments there are."""

import difflib

from mstool.errors import UsageError


def env_ids() -> list[str]:
    """Every environment that ManiSkill registers, sorted."""
    import mani_skill.envs  # noqa: F401 - registers them
    from mani_skill.utils.registration import REGISTERED_ENVS

    return sorted(REGISTERED_ENVS)


def check_env_id(env_id: str) -> None:
    """Raise UsageError, with the nearest name, unless ManiSkill registers `env_id`."""
    known = env_ids()
    if env_id in known:
        return
    near = difflib.get_close_matches(env_id, known, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UsageError(f"there is no ManiSkill environment {env_id!r}.{hint}", fix="mstool demos list")
