"""Write what openpi needs to train on a dataset: a script and exact norm stats."""

from collections.abc import Callable
from pathlib import Path

from mstool.atomic import replace_text
from mstool.errors import UsageError
from mstool.norm_stats.compute import compute
from mstool.norm_stats.output import write
from mstool.training.openpi.recipe import POLICIES, OpenpiRecipe, read_recipe
from mstool.training.openpi.report import OpenpiReport
from mstool.training.openpi.script import Choices, render

SCRIPT_NAME = "run_openpi.py"
# openpi's README, "Requirements".
MEMORY_GB = {False: 70, True: 22.5}


def write_openpi_run(
    dataset_root: Path,
    output: Path,
    *,
    policy: str = "pi05",
    steps: int | None = None,
    batch_size: int | None = None,
    lora: bool = False,
    init: str | None = None,
    horizon: int | None = None,
    lr: float | None = None,
    seed: int | None = None,
    wandb: bool = False,
    discrete_state_input: bool | None = None,
    overwrite: bool = False,
    before_writing: Callable[[], object] = lambda: None,
) -> OpenpiReport:
    """Write `run_openpi.py` and `assets/<config>/<dataset>/norm_stats.json` into `output`.

    The script registers four configs, Pi0.5 and Pi0, each in full and as LoRA; `policy` and `lora` choose its default.

    Parameters
    ----------
    dataset_root
        Folder of a LeRobot v2.1 dataset of `mstool convert`.
    output
        Folder of the run; checkpoints go there too.
    policy
        `pi05` or `pi0`.
    steps, batch_size, lr, seed, wandb
        Of training; by default 20,000 steps of 32 samples (openpi's pi05_droid_finetune), 2.5e-5 at the peak, off.
    lora
        Train adapters only.
    init
        Weights of `policy` other than openpi's base model: the folder `params` of a checkpoint.
    horizon
        Actions per window; by default openpi's for this kind of data (10, DROID 16).
    discrete_state_input
        Whether Pi0.5 sees the state (as text in its prompt); by default it does.
    overwrite
        Replace a script that says something else.
    before_writing
        Called when all of this is checked: what takes longer and may refuse the dataset too.

    Raises
    ------
    UsageError
        An option or the layout has no meaning for openpi, or another script is there.
    DataError
        The dataset is not v2.1, lacks a column, or has no usable statistics.

    """
    if policy not in POLICIES:
        raise UsageError(
            f"openpi's engine trains {' or '.join(POLICIES)}, not {policy!r}",
            fix="--policy pi05",
            change={"--policy": "pi05"},
        )
    recipe = read_recipe(dataset_root, horizon)
    defaults = Choices()
    choices = Choices(
        policy=policy,
        lora=lora,
        steps=_positive("steps", steps, defaults.steps),
        batch_size=_positive("batch-size", batch_size, defaults.batch_size),
        peak_lr=defaults.peak_lr if lr is None else lr,
        seed=defaults.seed if seed is None else seed,
        wandb=wandb,
        discrete_state_input=defaults.discrete_state_input if discrete_state_input is None else discrete_state_input,
        init=_absolute(init),
    )
    # openpi's scripts are run in openpi's folder: every path is absolute.
    output = output.resolve()
    script = output / SCRIPT_NAME
    text = render(recipe, choices, script)
    if script.exists() and script.read_text(encoding="utf-8") != text and not overwrite:
        raise UsageError(
            f"{script} is there and says something else",
            fix="add --overwrite, or choose another --output",
            change={"--overwrite": True},
        )
    before_writing()
    chosen = recipe.config_name(policy, lora=lora)
    every = [recipe.config_name(each, lora=low) for each in POLICIES for low in (False, True)]
    configs = (chosen, *(name for name in every if name != chosen))
    assets = _write_stats(recipe, output, configs)
    replace_text(script, text)
    return OpenpiReport(recipe, choices, script, configs, assets, tuple(_notes(recipe, choices)))


def _write_stats(recipe: OpenpiRecipe, output: Path, configs: tuple[str, ...]) -> tuple[Path, ...]:
    """Compute the statistics once: all four configs see the same state and the same windows of actions."""
    delta = ",".join(map(str, recipe.delta)) or "none"
    result = compute([recipe.root], config=recipe.use.config, horizon=recipe.horizon, delta=delta, features=False)
    written = [
        write(result, output=output / "assets" / name, asset_id=recipe.root.name, force=True).written
        for name in configs
    ]
    return tuple(path for paths in written for path in paths)


def _notes(recipe: OpenpiRecipe, choices: Choices) -> list[str]:
    notes = [f"openpi says: more than {MEMORY_GB[choices.lora]:g} GB of GPU memory"]
    if choices.policy == "pi05" and not choices.discrete_state_input:
        notes.append("this Pi0.5 sees no state: images and prompt alone, as openpi's pi05_libero")
    use = recipe.use
    if use.keeps_stats and choices.init and use.keeps_stats in choices.init:
        notes.append(
            f"starting from a {use.data} checkpoint, openpi advises to keep its norm stats: copy them over assets/"
        )
    if use.fps:
        notes.append(f"the data has {recipe.fps} Hz, {use.data} {use.fps} Hz")
    return notes


def _absolute(init: str | None) -> str | None:
    """Return weights as openpi finds them from its own folder: a local path is made absolute, gs:// is not."""
    return init if init is None or "://" in init else str(Path(init).expanduser().resolve())


def _positive(name: str, value: int | None, default: int) -> int:
    if value is not None and value < 1:
        raise UsageError(f"--{name} {value}: at least 1", fix=f"--{name} {default}", change={f"--{name}": default})
    return default if value is None else value
