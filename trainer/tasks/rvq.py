"""Train the motion tokenizer on fixed windows; validate it on whole motions."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hero_core.models.codec import MotionCodec
from trainer.data import PairTable
from trainer.draws import whole_tokens
from trainer.loader import WindowBatches


class RvqTask:
    """The tokenizer. The best one has the lowest reconstruction loss over the frames of the validation motions."""

    metric = "reconstruction"

    def __init__(
        self,
        codec: MotionCodec,
        windows: WindowBatches,
        validation: PairTable,
        device: torch.device,
    ) -> None:
        self.module = codec.to(device)
        self._windows = windows
        self._validation = validation.unique_motions().long_enough()
        self._device = device
        self.steps_per_epoch = windows.order.steps_per_epoch

    def batches(self, start_step: int) -> Iterator[Tensor]:
        """Windows ``(b, window_frames, 263)``."""
        for windows in self._windows.train(start_step):
            yield windows.to(self._device)

    def losses(self, batch: Tensor, rng: torch.Generator) -> Mapping[str, Tensor]:
        """The terms of Eq. 1."""
        return self.module.losses(batch, rng)

    def validate(self) -> Mapping[str, float]:
        """Mean losses over all frames of the unique validation motions, each seen whole."""
        sums: dict[str, float] = {}
        frames = 0
        for sample in self._validation:
            motion = torch.from_numpy(sample.motion[whole_tokens(len(sample.motion)).slice].copy())
            losses = self.module.losses(motion[None].to(self._device))  # (1, n, 263)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(motion)
            frames += len(motion)
        return {name: total / frames for name, total in sums.items()}

    def save(self, folder: Path, metadata: Mapping[str, Any]) -> None:
        """Write a checkpoint folder."""
        self.module.save(folder, metadata)
