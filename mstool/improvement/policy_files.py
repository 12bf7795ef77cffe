"""An improved policy's files, which `eval` and `serve` take like any other's."""

import json
import shutil
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.atomic import link_or_copy
from mstool.dataset.conventions import Conventions
from mstool.dataset.files import NORM_STATS_FILE, RESULTS_FILE
from mstool.evaluation.policies.lerobot import LerobotPolicy
from mstool.improvement.method import Method
from mstool.improvement.players import BEGUN
from mstool.training.checkpoint_sidecar import CONFIG_FILE, RUN_FILE, CheckpointSidecar, read_part
from mstool.training.flow.modeling_flow import FlowPolicy
from mstool.training.steering import begin, save

# Files of the base checkpoint that are written anew, or hold only for its training.
_OWN = {CONFIG_FILE, "train_config.json", RUN_FILE, RESULTS_FILE, "README.md"}
_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class PolicyFiles:
    """Writes what a method has made of a policy."""

    base: LerobotPolicy
    # The checkpoint that it came from.
    model: Path
    conventions: Conventions
    # What stands in the run's file.
    run: dict[str, Any]
    # Actions executed of a chunk.
    steps: int

    def write(self, method: Method, player: str, folder: Path, episodes: list[dict[str, Any]]) -> None:
        """Write a player into a new folder; `episodes` are lines for the conventions."""
        folder.mkdir()
        flow = self.base.config.type == "flow"
        for path in self.model.iterdir():
            if path.is_file() and path.name not in _OWN and not (flow and path.name == _WEIGHTS):
                # Weights are never changed in place.
                put = link_or_copy if path.suffix == ".safetensors" else shutil.copyfile
                put(path, folder / path.name)
        if flow:
            self._write_flow(method, player, folder)
        else:
            self._write_steering(method, player, folder)
        own = Conventions(
            **{
                **{name: getattr(self.conventions, name) for name in Conventions.__dataclass_fields__},
                "episodes": [*self.conventions.episodes, *episodes],
            }
        )
        kept = read_part(self.model, NORM_STATS_FILE) if (self.model / NORM_STATS_FILE).is_file() else {}
        stats = kept.get("norm_stats", {})
        CheckpointSidecar(self.run, stats, own, None).write(folder, improved={"episodes": len(episodes)})

    def _write_flow(self, method: Method, player: str, folder: Path) -> None:
        """Write weights and configuration of the policy, with what samples in its place."""
        config = deepcopy(self.base.config)
        config.pretrained_path = None
        config.sampler, config.n_action_steps = method.players.get(player, "ode"), self.steps
        config.candidates, config.sampler_hidden = method.hyper.candidates, method.hyper.hidden
        policy = FlowPolicy(config)
        weights = {name: value.detach().cpu() for name, value in self.base.policy.state_dict().items()}
        policy.load_state_dict(weights if player == BEGUN else {**weights, **method.weights(player)})
        policy.save_pretrained(folder)

    def _write_steering(self, method: Method, player: str, folder: Path) -> None:
        """Write the network of noise, of a policy as it began none; the policy's own weights are there already."""
        config = {**read_part(self.model, CONFIG_FILE), "n_action_steps": self.steps}
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=4) + "\n")
        if player == BEGUN:
            return
        steering = begin(self.base.policy, method.hyper.hidden)
        learnt = {name.removeprefix("sampler."): value for name, value in method.weights(player).items()}
        steering.actor.load_state_dict(learnt)
        save(steering, folder)
