"""One training step: forwards, backwards, and the weights follow. On a GPU it is recorded once and played back."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hero_core.models.base import Batch, VideoFeatures
from hero_core.models.recorder import CudaRecorder, Recorder
from trainer.config import TrainingConfig
from trainer.schedules import learning_rate
from trainer.state import TrainingState

STEPS_BEFORE_RECORDING = 3
"""Libraries set themselves up in the first steps, which cannot be recorded."""


class Step(Protocol):
    """Makes one step.

    Attributes:
        names: of the values, once a step was made.
    """

    @property
    def names(self) -> tuple[str, ...]: ...

    def __call__(self, batch: Batch) -> Tensor:
        """Learn from a batch; returns the losses and the norm of the gradient, ``(k,)`` float32 on the device.

        Of several ranks, all get the values of the whole batch.
        """
        ...


def weights_of(part: nn.Module) -> list[nn.Parameter]:
    """What is trained of a part."""
    return [parameter for parameter in part.parameters() if parameter.requires_grad]


def optimizer_of(part: nn.Module, training: TrainingConfig, device: torch.device) -> torch.optim.AdamW:
    """AdamW in one pass over the weights, which a recorded step can play back at another learning rate."""
    recorded = device.type == "cuda"
    lr: float | Tensor = torch.tensor(training.lr, device=device) if recorded else training.lr
    return torch.optim.AdamW(
        weights_of(part),
        lr=lr,
        betas=training.betas,
        weight_decay=training.weight_decay,
        fused=True,
        capturable=recorded,
    )


def autocast(training: TrainingConfig, device: torch.device) -> AbstractContextManager[Any]:
    """Matrix products in the precision of the settings."""
    if training.precision != "bfloat16":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


@dataclass
class EagerStep:
    """Runs each operation as it comes.

    A step whose gradient is not finite, and all that follow, leave the weights as they are, so that the loop may look
    at the values later and find the last good weights.

    Attributes:
        part: in training.
        state: of it.
        training: settings.
        device: of all of them.
        losses: ``part.losses``, or what stands for them.
    """

    part: Any
    state: TrainingState
    training: TrainingConfig
    device: torch.device
    losses: Callable[[Batch, torch.Generator], dict[str, Tensor]]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._weights = weights_of(self.part)
        self._broken = torch.zeros((), device=self.device)
        self.state.optimizer.found_inf = self._broken  # type: ignore[attr-defined]  # fused AdamW skips its step

    def __call__(self, batch: Batch) -> Tensor:
        """See :class:`Step`."""
        self.set_rate()
        return self.learn(batch)

    def set_rate(self) -> None:
        """Give the optimiser the learning rate of the next step."""
        rate = learning_rate(self.training, self.state.step + 1)
        for group in self.state.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def learn(self, batch: Batch) -> Tensor:
        """The step itself, of operations on the device alone."""
        self.part.train()
        with autocast(self.training, self.device):
            losses = self.losses(batch, self.state.rng)
        self.state.optimizer.zero_grad()
        torch.autograd.backward(losses["total"])
        values = torch.stack([value.detach().float() for value in losses.values()])  # (k - 1,)
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        self.state.ranks.average_([values, *gradients])
        norm = nn.utils.clip_grad_norm_(self._weights, self.training.gradient_clip or math.inf)
        self.names = (*losses, "gradient_norm")
        stacked = torch.cat([values, norm.detach().float()[None]])  # (k,)
        self._broken.copy_(torch.maximum(self._broken, (~stacked.isfinite()).any()))
        self.state.optimizer.step()
        return stacked


class RecordedStep:
    """An :class:`EagerStep` that is recorded once for every shape of batch that comes up, and played from then on."""

    def __init__(self, step: EagerStep, recorder: Recorder) -> None:
        self._step, self._recorder = step, recorder
        self._made = 0
        self._recordings: dict[tuple[Any, ...], tuple[Batch, Callable[[], Tensor]]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """See :class:`Step`."""
        return self._step.names

    def __call__(self, batch: Batch) -> Tensor:
        """See :class:`Step`."""
        self._step.set_rate()
        self._made += 1
        if self._made <= STEPS_BEFORE_RECORDING:
            return self._recorder.unrecorded(partial(self._step.learn, batch))
        shape = shape_of(batch)
        if shape not in self._recordings:
            inputs = _mapped(batch, torch.clone)
            self._step.state.optimizer.zero_grad()
            play = self._recorder.record(partial(self._step.learn, inputs), self._step.state.rng)
            self._recordings[shape] = inputs, play
        inputs, play = self._recordings[shape]
        _fill(inputs, batch)
        return play()


def step_of(part: Any, state: TrainingState, training: TrainingConfig, device: torch.device) -> Step:
    """How steps are made on this device; those of several ranks, which talk to each other, are not recorded."""
    if training.compile:
        for module in part.modules():
            if isinstance(module, part.blocks):
                module.compile()
    step = EagerStep(part, state, training, device, part.losses)
    recorded = device.type == "cuda" and state.ranks.group is None and part.recordable
    return RecordedStep(step, CudaRecorder(device)) if recorded else step


def shape_of(batch: Batch) -> tuple[Any, ...]:
    """What a recording is bound to."""
    return batch.most_tokens, *(tensor.shape for tensor in _tensors(batch))


def _tensors(batch: Batch) -> list[Tensor]:
    condition = [] if batch.condition is None else list(batch.condition)
    return [each for each in (batch.lengths, batch.frames, batch.encoded, *condition) if each is not None]


def _mapped(batch: Batch, function: Callable[[Tensor], Tensor]) -> Batch:
    changed: dict[str, Any] = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            changed[field.name] = function(value)
        elif isinstance(value, VideoFeatures):
            changed[field.name] = VideoFeatures(*map(function, value))
    return replace(batch, **changed)


def _fill(inputs: Batch, batch: Batch) -> None:
    for into, tensor in zip(_tensors(inputs), _tensors(batch), strict=True):
        into.copy_(tensor)
