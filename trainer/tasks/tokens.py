"""What training the two transformers has in common: their batches hold the frozen tokenizer's tokens of the motions."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from hero_core.batch import Batch
from hero_core.models.codec import MotionCodec
from hero_core.models.features import VideoFeatures
from hero_core.models.masked import MaskedTransformer
from hero_core.models.residual import ResidualTransformer
from trainer.loader import PairBatches

VALIDATION_DRAWS = 4
"""How often every validation pair is scored; each time other tokens are masked, or another layer is asked for."""

VALIDATION_SEED = 0


ModelT = TypeVar("ModelT", MaskedTransformer, ResidualTransformer)


class TokenBatch(NamedTuple):
    """``tokens`` ``(b, m, q)``, -1 past ``token_lengths`` ``(b,)``, and the videos."""

    tokens: Tensor
    token_lengths: Tensor
    condition: VideoFeatures


class TokenBatches:
    """Pairs as tokens. The tokenizer is frozen, in evaluation mode, and draws nothing."""

    def __init__(
        self, codec: MotionCodec, train: PairBatches, validation: PairBatches, device: torch.device
    ) -> None:
        self._codec = codec.to(device).eval()
        self._train = train
        self._validation = validation
        self._device = device
        self.steps_per_epoch = train.order.steps_per_epoch

    def train(self, start_step: int) -> Iterator[TokenBatch]:
        """Training batches after the first ``start_step`` ones, without end."""
        return map(self._tokenise, self._train.train(start_step))

    def validation(self) -> Iterator[TokenBatch]:
        """Every validation pair ``VALIDATION_DRAWS`` times."""
        for batch in self._validation.whole():
            tokens = self._tokenise(batch)
            for _ in range(VALIDATION_DRAWS):
                yield tokens

    def _tokenise(self, batch: Batch) -> TokenBatch:
        batch = batch.to(self._device)
        tokens = self._codec.encode(batch.motion, batch.lengths)  # (b, m, q)
        return TokenBatch(tokens, batch.lengths // self._codec.unit_length, batch.condition)


class TokenTask(ABC, Generic[ModelT]):
    """A transformer over tokens. The best one has the lowest validation loss, with draws that never change."""

    metric = "total"

    def __init__(self, model: ModelT, tokens: TokenBatches, device: torch.device) -> None:
        self.module: ModelT = model.to(device)
        self.steps_per_epoch = tokens.steps_per_epoch
        self._tokens = tokens
        self._device = device

    @abstractmethod
    def losses(self, batch: TokenBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """The model's losses on tokens."""

    def batches(self, start_step: int) -> Iterator[TokenBatch]:
        """Training batches."""
        return self._tokens.train(start_step)

    def validate(self) -> Mapping[str, float]:
        """Mean losses on whole validation motions."""
        rng = torch.Generator(self._device).manual_seed(VALIDATION_SEED)
        batches = self._tokens.validation()
        return mean_over_samples((len(batch.tokens), self.losses(batch, rng)) for batch in batches)

    def save(self, folder: Path, metadata: Mapping[str, Any]) -> None:
        """Write a checkpoint folder."""
        self.module.save(folder, metadata)


def mean_over_samples(scored: Iterable[tuple[int, Mapping[str, Tensor]]]) -> dict[str, float]:
    """Means of batches' metrics, each batch counting as often as it has samples."""
    sums: dict[str, float] = {}
    count = 0
    for samples, metrics in scored:
        for name, value in metrics.items():
            sums[name] = sums.get(name, 0.0) + float(value) * samples
        count += samples
    return {name: total / count for name, total in sums.items()}
