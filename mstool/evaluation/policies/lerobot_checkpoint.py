"""A LeRobot checkpoint from its folder: configuration, weights, processors, and what `mstool improve` laid beside."""

import contextlib
import importlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.files import STEERING_FILE
from mstool.errors import DataError, SetupError
from mstool.evaluation.needs import ready
from mstool.installation import install_command


@dataclass(frozen=True)
class Loaded:
    """What a checkpoint's folder holds, on its device, ready to act."""

    config: Any
    policy: Any
    # LeRobot's pipelines before and after the policy.
    before: Any
    after: Any
    # None where the noise is drawn.
    steering: Any


def load_checkpoint(folder: Path, device: str) -> Loaded:
    """Load a policy of any type that LeRobot knows, its own, a plugin's or the bundled `flow`.

    Raises
    ------
    DataError
        It cannot be loaded.
    SetupError
        The policy type needs a package that is not installed.

    """
    with ready(folder):
        return _loaded(folder, device)


def _steering(folder: Path, device: str) -> Any:
    if not (folder / STEERING_FILE).is_file():
        return None
    # By name, and only where it is needed: nothing else of an evaluation needs training's package.
    return importlib.import_module("mstool.training.steering").load(folder, device)


def _register() -> None:
    """Make LeRobot know policies that are not its own: installed plugins, and the bundled `flow`."""
    from lerobot.utils.import_utils import register_third_party_plugins

    register_third_party_plugins()
    # By name: only what runs a checkpoint needs training's package.
    importlib.import_module("mstool.training.flow")


def _register_processors(config: Any) -> None:
    """Import `processor_NAME` beside `configuration_NAME`, where a policy keeps processor steps of its own."""
    module = type(config).__module__
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(module.replace("configuration_", "processor_"))


def _loaded(folder: Path, device: str) -> Loaded:
    from lerobot.configs import PreTrainedConfig
    from lerobot.policies.factory import get_policy_class, make_pre_post_processors
    from safetensors import SafetensorError

    _register()
    try:
        config = PreTrainedConfig.from_pretrained(str(folder))
        config.device = device
        config.pretrained_path = folder
        _register_processors(config)
        with contextlib.redirect_stdout(io.StringIO()):  # LeRobot prints; standard output belongs to the result
            policy = _with_adapter(folder, config) if config.use_peft else None
            policy = policy or get_policy_class(config.type).from_pretrained(str(folder), config=config)
            before, after = make_pre_post_processors(
                config,
                pretrained_path=str(folder),
                preprocessor_overrides={"device_processor": {"device": device}},
            )
        steering = _steering(folder, device)
    except ImportError as error:
        raise SetupError(f"{folder}: {error}", fix=install_command(["train"])) from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = (str(error).splitlines() or [repr(error)])[0]
        raise DataError(
            f"{folder} cannot be loaded as a LeRobot checkpoint: {type(error).__name__}: {first}",
            fix="it needs config.json, model.safetensors, policy_preprocessor.json and policy_postprocessor.json as "
            "lerobot 0.6.1 writes them",
        ) from error
    policy.to(device)
    policy.eval()
    policy.reset()
    return Loaded(config, policy, before, after, steering)


def _with_adapter(folder: Path, config: Any) -> Any:
    from lerobot.policies.factory import get_policy_class
    from peft import PeftConfig, PeftModel

    adapter = PeftConfig.from_pretrained(str(folder))
    base = get_policy_class(config.type).from_pretrained(adapter.base_model_name_or_path, config=config)
    return PeftModel.from_pretrained(base, str(folder), config=adapter)
