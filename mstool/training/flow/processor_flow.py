"""LeRobot's processors for the policy: instruction to word ids, normalisation, and the way back."""

import re
import zlib
from dataclasses import dataclass
from typing import Any

import torch
from lerobot.configs import PipelineFeatureType, PolicyFeature
from lerobot.lerobot_types import TransitionKey
from lerobot.processor import (
    ObservationProcessorStep,
    ProcessorStepRegistry,
    make_default_policy_processor_steps,
    make_policy_processor_pipelines,
)
from lerobot.utils.constants import OBS_LANGUAGE_TOKENS, OBS_STATE

from mstool.training.flow.configuration_flow import FlowConfig


def word_ids(instruction: str, vocabulary: int, length: int) -> list[int]:
    """Hash an instruction's words (CRC-32 of the lower-case word) to 1 .. vocabulary - 1, filled up with 0.

    A table of hashes needs no vocabulary file and takes words that training never saw.
    """
    words = re.findall(r"[a-z0-9]+", instruction.lower())[:length]
    ids = [1 + zlib.crc32(word.encode()) % (vocabulary - 1) for word in words]
    return ids + [0] * (length - len(ids))


@dataclass
@ProcessorStepRegistry.register(name="mstool_words")
class WordsProcessorStep(ObservationProcessorStep):  # type: ignore[misc]
    """Adds the instruction's word ids, int64 (B, L), to the observation."""

    vocabulary: int = 2048
    length: int = 32

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Look the instructions up that go with the observation."""
        state = observation[OBS_STATE]
        tasks = (self.transition.get(TransitionKey.COMPLEMENTARY_DATA) or {}).get("task", "")
        tasks = [tasks] * len(state) if isinstance(tasks, str) else tasks
        # A row per sentence, however many frames have it.
        rows = {task: row for row, task in enumerate(dict.fromkeys(tasks))}
        ids = torch.tensor([word_ids(task, self.vocabulary, self.length) for task in rows])
        return {**observation, OBS_LANGUAGE_TOKENS: ids[[rows[task] for task in tasks]].to(state.device)}

    def get_config(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of this step."""
        return {"vocabulary": self.vocabulary, "length": self.length}

    def transform_features(
        self, features: dict[PipelineFeatureType, dict[str, PolicyFeature]]
    ) -> dict[PipelineFeatureType, dict[str, PolicyFeature]]:
        """Leave the dataset's features as they are."""
        return features


def make_flow_pre_post_processors(
    config: FlowConfig, dataset_stats: dict[str, dict[str, torch.Tensor]] | None = None
) -> tuple[Any, Any]:
    """Return the pipelines before and after the policy, as LeRobot looks them up by name."""
    steps = make_default_policy_processor_steps(config, dataset_stats, normalizer_device=config.device)
    words = WordsProcessorStep(config.vocabulary, config.max_words)
    return make_policy_processor_pipelines(
        input_steps=[steps.rename_observations, steps.add_batch_dim, steps.to_device, words, steps.normalize],
        output_steps=[steps.unnormalize, steps.to_cpu],
    )
