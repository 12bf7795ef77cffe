"""The policy as LeRobot drives it: a loss in training, action chunks in evaluation, an average of the weights."""

import logging
from collections import deque
from copy import deepcopy
from typing import Any

import torch
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.utils.constants import ACTION, OBS_ENV_STATE, OBS_LANGUAGE_TOKENS, OBS_STATE
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from mstool.training.flow import graphs
from mstool.training.flow.augmentation import jitter, reduce_to, shift
from mstool.training.flow.configuration_flow import FlowConfig
from mstool.training.flow.improved import BestOfN, ChunkCritic, OneStep, Steered
from mstool.training.flow.network import ActionExpert, ObservationEncoder
from mstool.training.flow.objective import make_objective

# Early steps count more: the average of the first n steps' weights keeps at most (1 + n) / (10 + n).
EMA_START = 10


class FlowNetwork(nn.Module):
    """Encoder and action expert; what is trained, and what is averaged."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        state, goal = config.robot_state_feature, config.env_state_feature
        assert state is not None, "checked by validate_features"
        self.encoder = ObservationEncoder(
            cameras=len(config.image_features),
            image_size=config.image_size,
            state_size=state.shape[0] + (goal.shape[0] if goal is not None else 0),
            backbone_width=config.backbone_width,
            width=config.width,
            heads=config.num_heads,
            layers=config.observation_layers,
            vocabulary=config.vocabulary,
            max_words=config.max_words,
        )
        self.expert = make_expert(config)


def make_expert(config: FlowConfig) -> ActionExpert:
    """Return an untrained action expert of a configuration's size."""
    return ActionExpert(
        action_size=config.action_feature.shape[0],
        chunk_size=config.chunk_size,
        width=config.width,
        heads=config.num_heads,
        layers=config.action_layers,
    )


def make_sampler(config: FlowConfig) -> OneStep | BestOfN | Steered | None:
    """Return what draws actions in the place of the policy's own sampler, untrained; None for `ode`."""
    size, steps, hidden = config.action_feature.shape[0], config.n_action_steps, config.sampler_hidden
    if config.sampler == "one-step":
        return OneStep(make_expert(config))
    if config.sampler == "best-of-n":
        critic = ChunkCritic(config.width, config.num_heads, steps * size, hidden=hidden)
        return BestOfN(critic, config.candidates, steps)
    return Steered(config.width, config.num_heads, size, hidden=hidden) if config.sampler == "steered" else None


def _trained_as_average(_policy: nn.Module, weights: dict[str, Any], prefix: str, *_: Any) -> None:
    """Begin with the average where a file holds nothing else: weights that were published for evaluation."""
    if not any(name.startswith(f"{prefix}model.") for name in weights):
        own = f"{prefix}average."
        weights |= {f"{prefix}model.{n.removeprefix(own)}": v for n, v in weights.items() if n.startswith(own)}


class FlowPolicy(PreTrainedPolicy):  # type: ignore[misc]
    """Action chunks by flow matching (or a DDPM) from pictures, state and instruction.

    Parameters
    ----------
    config
        With `input_features` and `output_features` set, as LeRobot does from a dataset.

    """

    config_class = FlowConfig
    name = "flow"

    def __init__(self, config: FlowConfig, **_: Any) -> None:
        super().__init__(config)
        config.validate_features()
        self.config = config
        self.cameras = list(config.image_features)
        self.objective = make_objective(config.head, config.num_train_timesteps)
        self.model = FlowNetwork(config)
        self.average = deepcopy(self.model).requires_grad_(requires_grad=False)
        self._recording = False
        self._recordings = graphs.Recordings()
        self.sampler = make_sampler(config)
        if self.sampler is not None:
            self.sampler.requires_grad_(requires_grad=False)
        self._pairs: tuple[list[Tensor], list[Tensor]] | None = None
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))
        self.register_load_state_dict_pre_hook(_trained_as_average)
        self.reset()

    def get_optim_params(self) -> list[Any]:
        """Return what the optimizer works on: biases, norms and embeddings without weight decay."""
        trained = [p for p in self.model.parameters() if p.requires_grad]
        return [
            {"params": [p for p in trained if p.ndim > 1]},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]

    def reset(self) -> None:
        """Forget the rest of the last chunk: a new episode begins."""
        self._queue: deque[Tensor] = deque(maxlen=self.config.n_action_steps)

    def forward(self, batch: dict[str, Any], reduction: str = "mean") -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a normalised batch; actions after an episode's end do not count.

        `reduction` "none" gives one loss per frame (B,).
        """
        config: FlowConfig = self.config
        images = self._images(batch)
        if self.training:
            images = jitter(shift(images, config.shift_pixels), config.jitter)
        seen = (images * 2 - 1, self._state(batch), batch[OBS_LANGUAGE_TOKENS])
        if self._recording and self.training:
            self._record(seen)
        context, mask = self.model.encoder(*seen)
        draws = config.noise_draws
        actions = batch[ACTION].float().repeat_interleave(draws, dim=0)
        noise = torch.randn_like(actions)
        t = self.objective.times(len(actions), actions.device)
        noisy, target = self.objective.path(actions, noise, t)
        predicted = self.model.expert(noisy, t, context, mask)
        error = F.mse_loss(predicted.float(), target, reduction="none").mean(-1)
        valid = ~batch["action_is_pad"] if "action_is_pad" in batch else torch.ones(batch[ACTION].shape[:2], dtype=bool)  # type: ignore[call-overload]
        weight = valid.to(error).repeat_interleave(draws, dim=0)
        if reduction == "none":
            frames = (error * weight).sum(1) / weight.sum(1).clamp(min=1)
            return frames.reshape(-1, draws).mean(1), {}
        return (error * weight).sum() / weight.sum(), {}

    def update(self) -> None:
        """Follow the trained weights with their moving average; LeRobot calls this after every step."""
        self.updates += 1
        count = int(self.updates)
        share = 1 - min(self.config.ema_decay, (1 + count) / (EMA_START + count))
        if self._pairs is None:  # now, as the weights have moved to their device
            kept, new = self.average.state_dict(), self.model.state_dict()
            floats = [name for name, value in kept.items() if value.is_floating_point()]
            self._pairs = [kept[n] for n in floats], [new[n] for n in floats]
        with torch.no_grad():
            torch._foreach_lerp_(*self._pairs, share)

    def _apply(self, *args: Any, **words: Any) -> Any:
        """Move or cast the weights, which recordings read where they were."""
        self._recordings.forget()
        return super()._apply(*args, **words)

    @property
    def _on_gpu(self) -> bool:
        return str(self.config.device).startswith("cuda")

    def compile_network(self) -> bool:
        """Compile what is trained, on a GPU, and tell whether it is one; torch needs a C compiler for it."""
        if self._on_gpu:
            self.model.encoder.compile()
            self.model.expert.compile()
        return self._on_gpu

    def record_network(self) -> bool:
        """Replay passes as CUDA graphs from the next step on, for batches of its size; False where there is no GPU."""
        self._recording = self._on_gpu
        return self._recording

    def _record(self, seen: tuple[Tensor, ...]) -> None:
        """Record with these pictures, before this step's own passes: what autograd still holds would be in the way."""
        self._recording = False
        config = self.config
        assert config.action_feature is not None, "checked by validate_features"
        self.average.eval()
        with torch.no_grad():
            context, mask = self.average.encoder(*seen)
        self.average.train(self.training)
        chunks = len(context) * config.noise_draws
        noisy = torch.zeros(chunks, config.chunk_size, config.action_feature.shape[0], device=context.device)
        t = torch.full((chunks,), 0.5, device=context.device)
        inputs = (tuple(each.clone() for each in seen), (noisy, t, context.requires_grad_(), mask))
        dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else None
        try:
            graphs.record((self.model.encoder, self.model.expert), inputs, dtype)
        except RuntimeError as error:
            logging.warning("the network's passes cannot be recorded, so the training is slower: %s", error)

    @torch.no_grad()
    def predict_action_chunk(self, batch: dict[str, Any], noise: Tensor | None = None, **_: Any) -> Tensor:
        """Return normalised actions (B, H, D); the same `noise` (B, H, D) gives the same actions."""
        self.eval()
        config = self.config
        context, mask = self.encode(batch)
        if noise is None:
            noise = torch.randn(len(context), config.chunk_size, config.action_feature.shape[0], device=context.device)
        noise = noise.to(context)

        def draw(noise: Tensor) -> Tensor:
            drawn: Tensor = self._recordings.run("draw", self._draw, noise, context, mask)
            return drawn

        return draw(noise) if self.sampler is None else self.sampler.sample(draw, noise, context, mask)

    def _draw(self, noise: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        expert = self.average.expert
        steps = self.config.num_inference_steps
        return self.objective.sample(lambda x, t: expert(x, t, context, mask).float(), noise, steps)

    @torch.no_grad()
    def encode(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Return what the averaged encoder sees of a normalised batch: tokens (B, N, W) and their mask (B, N)."""
        seen = self._images(batch) * 2 - 1, self._state(batch), batch[OBS_LANGUAGE_TOKENS]
        context, mask = self._recordings.run("encode", self.average.encoder.forward, *seen)
        return context, mask

    @torch.no_grad()
    def select_action(self, batch: dict[str, Any], **kwargs: Any) -> Tensor:
        """Return one action (B, D), predicting a new chunk every `n_action_steps` calls."""
        if not self._queue:
            chunk = self.predict_action_chunk(batch, **kwargs)[:, : self.config.n_action_steps]
            self._queue.extend(chunk.transpose(0, 1))
        return self._queue.popleft()

    def _state(self, batch: dict[str, Any]) -> Tensor:
        """Return the robot's state (B, S), and behind it what the environment tells: a goal (B, 3)."""
        told = [batch[OBS_ENV_STATE]] if self.config.env_state_feature is not None else []
        return torch.cat([batch[OBS_STATE], *told], dim=-1)

    def _images(self, batch: dict[str, Any]) -> Tensor:
        """Stack the cameras' pictures (B, C, 3, h, w) in [0, 1], reduced to the configured size."""
        return torch.stack([reduce_to(batch[key], self.config.image_size) for key in self.cameras], dim=1)
