"""Run what `mstool finetune --engine openpi` wrote inside a real openpi, on a CPU and without openpi's weights.

    mstool finetune data/v2.1 --policy pi05 --engine openpi --output runs/openpi
    OPENPI_PYTHON benchmarks/openpi_engine.py runs/openpi [--train CONFIG --steps 3] [--serve CONFIG --port 8000]

OPENPI_PYTHON is the interpreter of an environment with openpi at commit 15a9616 and lerobot at its pin 0cf8648. Checked
for every registered config: dataclass fields against `tests/support/openpi_stand_in.py`, the norm stats that are found,
one batch of openpi's own data loader, sizes of the full model. `--train` and `--serve` go through the script's own
commands with a model of openpi's `dummy` size and a small vision tower. Where the PaliGemma tokenizer cannot be
downloaded, one of 300 words is trained in its place.
"""

import argparse
import dataclasses
import importlib.util
import os
import sys
import types
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
HERE = Path(__file__).resolve().parent
WORDS = "pick up the red green blue cube sphere and move stack push pull it to onto place tool goal task state action"


def load(path: Path, name: str):
    """Import a file as a module."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def make_tokenizer(folder: Path) -> None:
    """Put a small SentencePiece model where openpi caches PaliGemma's."""
    import sentencepiece

    os.environ["OPENPI_DATA_HOME"] = str(folder)
    path = folder / "big_vision" / "paligemma_tokenizer.model"
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    words = WORDS.split()
    lines = [" ".join([*words[i:], *map(str, range(i, i + 40)), ", : ; \n"]) for i in range(200)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(path.with_suffix("")),
        vocab_size=300,
        model_type="bpe",
        minloglevel=2,
    )


def compare_fields(run) -> None:
    """Every field of the stand-ins is one of openpi's dataclasses, with the same default."""
    stand_in = load(HERE.parent / "tests" / "support" / "openpi_stand_in.py", "openpi_stand_in")
    places = [run.pi0_config, run.training, run.optimizer, run.weight_loaders, run.transforms]
    for name, ours in vars(stand_in).items():
        if not dataclasses.is_dataclass(ours):
            continue
        theirs = next(getattr(place, name) for place in places if hasattr(place, name))
        if not dataclasses.is_dataclass(theirs):  # DataTransformFn is a protocol
            assert not dataclasses.fields(ours)
            continue
        fields = [{field.name: field for field in dataclasses.fields(each)} for each in (theirs, ours)]
        assert set(fields[0]) == set(fields[1]), (name, set(fields[0]) ^ set(fields[1]))
        for field in fields[1].values():
            if isinstance(field.default, bool | int | float | str):
                assert fields[0][field.name].default == field.default, (name, field.name)
    print("stand-ins: fields and defaults are openpi's")


def check_batch(config) -> str:
    """Take one batch from openpi's data loader: shapes, and how the numbers are normalised."""
    import numpy as np
    from openpi.training import data_loader

    loader = data_loader.create_data_loader(dataclasses.replace(config, batch_size=16, num_workers=0), num_batches=1)
    made = loader.data_config()
    assert made.norm_stats is not None
    assert made.use_quantile_norm == config.model.pi05
    assert made.prompt_from_task
    observation, actions = next(iter(loader))
    dims = config.policy_metadata["mstool"]["action_dims"]
    state, actions = np.asarray(observation.state), np.asarray(actions)
    assert state.shape == (16, 32)
    assert actions.shape == (16, config.model.action_horizon, 32)
    assert not actions[..., dims:].any()
    assert observation.tokenized_prompt.shape == (16, config.model.max_token_len)
    assert [bool(mask.all()) for mask in observation.image_masks.values()] == [True, True, False]
    tokens = int(np.asarray(observation.tokenized_prompt_mask).sum(1).max())
    inside = float((np.abs(actions[..., :dims]) <= 1).mean())
    return f"batch: {tokens} tokens, actions {100 * inside:.0f} % within [-1, 1], std {actions[..., :dims].std():.2f}"


def check_model(config) -> str:
    """Count the parameters of the full model and of what is trained; nothing is allocated."""
    import jax
    from flax import nnx

    shapes = jax.eval_shape(lambda key: nnx.state(config.model.create(key)), jax.random.key(0))
    total, trained = (
        sum(leaf.size for leaf in jax.tree.leaves(state)) for state in (shapes, shapes.filter(config.trainable_filter))
    )
    return f"{total / 1e9:.2f} billion parameters, {trained / 1e9:.2f} trained"


def shrink(run, name: str, steps: int):
    """Replace a registered config by one of the `dummy` size, without pretrained weights."""
    from openpi.models import pi0
    from openpi.training import weight_loaders

    tower = pi0._siglip.Module
    small_tower = types.SimpleNamespace(Module=lambda *args, **options: tower(*args, **{**options, "variant": "mu/16"}))
    pi0._siglip = small_tower
    config = run.CONFIGS[name]
    model = dataclasses.replace(config.model, paligemma_variant="dummy", action_expert_variant="dummy")
    small = dataclasses.replace(
        config,
        model=model,
        weight_loader=weight_loaders.NoOpWeightLoader(),
        num_train_steps=steps,
        num_workers=1,
        batch_size=4,
        log_interval=1,
    )
    run.CONFIGS[name] = run.training._CONFIGS_DICT[name] = small


def main() -> None:
    """Check, train or serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--train")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--serve")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    if "OPENPI_DATA_HOME" not in os.environ:
        make_tokenizer(options.run / "tokenizer")
    run = load(options.run / "run_openpi.py", "run_openpi")
    if options.train:
        shrink(run, options.train, options.steps)
        sys.argv = ["run_openpi.py", "train", options.train, "--overwrite"]
        run.main()
    elif options.serve:
        shrink(run, options.serve, options.steps)
        sys.argv = ["run_openpi.py", "serve", options.serve, "--port", str(options.port)]
        run.main()
    else:
        compare_fields(run)
        for name, config in run.CONFIGS.items():
            run.check(config)
            print(f"{name}: {check_batch(config)}; {check_model(config)}", flush=True)


if __name__ == "__main__":
    main()
