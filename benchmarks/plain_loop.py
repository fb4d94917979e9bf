"""The training loop as it is usually written, to compare with: torch's own modules, everything padded, nothing kept.

A DataLoader reads each sample from its file, the motion is padded to the longest and encoded in every step, all layers
run on the padding too, the loss is looked at after every step. The networks are those of the paper, so a step computes
the same thing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, RandomSampler

from hero_core.models.base import Batch, VideoFeatures
from hero_core.models.generators.hero.masked import MaskedTransformer, MaskingDraws
from hero_core.models.generators.hero.residual import LayerDraws, ResidualTransformer
from hero_core.models.likelihood import token_losses
from hero_core.models.padding import valid_mask
from hero_core.models.tokenizers.coder import ResidualBlocks
from hero_core.models.tokenizers.rvq import RvqNetwork, RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.format import FRAMES_PER_TOKEN, MAX_FRAMES, MOTION_DIM, whole_tokens
from hero_core.records import FeatureRecord
from hero_core.training_set import Sample, Samples

T = TypeVar("T")


@dataclass(frozen=True)
class PlainBatch:
    """Motions ``(b, 200, 263)`` with their lengths ``(b,)`` in frames, and their videos."""

    motion: Tensor
    lengths: Tensor
    video: VideoFeatures

    def to(self, device: torch.device) -> "PlainBatch":
        """The same batch on another device."""
        return PlainBatch(self.motion.to(device), self.lengths.to(device), self.video.to(device))


def plain_pairs(samples: Samples, batch_size: int) -> Iterator[PlainBatch]:
    """Batches of pairs without end."""
    return _without_end(samples, batch_size, _pairs)


def plain_windows(samples: Samples, batch_size: int, window_frames: int) -> Iterator[Batch]:
    """Batches of one random window of each of some motions, without end."""
    collate = partial(_windows, window_frames=window_frames, rng=np.random.default_rng(0))
    return _without_end(samples, batch_size, collate)


def _without_end(samples: Samples, batch_size: int, collate: Callable[[list[Sample]], T]) -> Iterator[T]:
    """Also of fewer samples than a batch has."""
    data = _Dataset(samples)
    sampler = RandomSampler(data, replacement=True, num_samples=batch_size * len(data))
    while True:
        yield from DataLoader(data, batch_size, sampler=sampler, collate_fn=collate)


class _Dataset(Dataset[Sample]):
    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, row: int) -> Sample:
        return self._samples[row]


def _windows(samples: list[Sample], window_frames: int, rng: np.random.Generator) -> Batch:
    motions = []
    for sample in samples:
        start = int(rng.integers(len(sample.motion) - window_frames + 1))
        motions.append(sample.motion[start : start + window_frames])
    frames = torch.from_numpy(np.stack(motions))
    return Batch(
        tuple(sample.pair.key for sample in samples), torch.full((len(frames),), window_frames), frames
    )


def _pairs(samples: list[Sample]) -> PlainBatch:
    motion = np.zeros((len(samples), MAX_FRAMES, MOTION_DIM), np.float32)
    for row, sample in enumerate(samples):
        motion[row, : len(sample.motion)] = sample.motion
    videos: list[FeatureRecord] = [sample.video for sample in samples]
    lengths = torch.tensor([whole_tokens(len(sample.motion)) for sample in samples])
    return PlainBatch(torch.from_numpy(motion), lengths, VideoFeatures.of(videos))


class PlainDecoder(nn.Module):
    """The decoder of a transformer of ours, of torch's own layers, which compute the padding too."""

    def __init__(self, ours: MaskedTransformer | ResidualTransformer) -> None:
        super().__init__()
        config = ours.config
        layer = nn.TransformerDecoderLayer(
            config.latent_dim, config.heads, config.ff_size, config.dropout, "gelu", batch_first=True
        )
        self.layers = nn.TransformerDecoder(layer, config.layers)
        self.condition = nn.MultiheadAttention(
            config.feature_dim, config.intention_heads, config.intention_dropout, batch_first=True
        )
        self.condition_norm = nn.LayerNorm(config.feature_dim)
        self.condition_feed_forward = nn.Sequential(
            nn.LayerNorm(config.feature_dim),
            nn.Linear(config.feature_dim, 4 * config.feature_dim),
            nn.GELU(),
            nn.Linear(4 * config.feature_dim, config.feature_dim),
        )
        self.condition_projection = nn.Linear(config.feature_dim, config.latent_dim)
        self.token_projection = nn.Linear(config.code_dim, config.latent_dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, valid: Tensor, video: VideoFeatures, prefix: Tensor | None) -> Tensor:
        """Hidden states ``(b, n, latent)`` of embedded tokens ``(b, n, code_dim)``."""
        query, frames = video.global_feature[:, None], self.condition_norm(video.frames)
        intention = query + self.condition(self.condition_norm(query), frames, frames, need_weights=False)[0]
        intention = intention + self.condition_feed_forward(intention)
        front = self.condition_projection(intention)
        front = front if prefix is None else torch.cat([front, prefix], dim=1)
        sequence = torch.cat([front, self.dropout(self.token_projection(tokens))], dim=1)
        padding = F.pad(~valid, (front.shape[1], 0), value=False)
        hidden: Tensor = self.layers(
            sequence, self.condition_projection(video.frames), tgt_key_padding_mask=padding
        )
        return hidden[:, front.shape[1] :]


class PlainMasked(nn.Module):
    """One training loss of the masked transformer."""

    def __init__(self, ours: MaskedTransformer) -> None:
        super().__init__()
        self.config, self.mask, self.pad_id = ours.config, ours.mask, ours.pad_id
        self.token_embedding, self.head = ours.token_embedding, ours.head
        self.decoder = PlainDecoder(ours)

    def forward(self, tokens: Tensor, lengths: Tensor, video: VideoFeatures, rng: torch.Generator) -> Tensor:
        """Of ids ``(b, m, q)``, m the longest that can be."""
        base = tokens[..., 0]
        draws = MaskingDraws.draw(base, self.config.codebook_size, self.config.condition_drop, rng)
        inputs, targets = self.mask(base, lengths, draws)
        hidden = self.decoder(self.token_embedding(inputs), valid_mask(lengths, base.shape[1]), video, None)
        return token_losses(self.head(hidden), base, targets)["total"]


class PlainResidual(nn.Module):
    """One training loss of the residual transformer."""

    def __init__(self, ours: ResidualTransformer) -> None:
        super().__init__()
        self.config, self.pad_id = ours.config, ours.pad_id
        self.layer_embedding, self.head, self.tables = ours.layer_embedding, ours.head, ours.tables
        self.decoder = PlainDecoder(ours)

    def forward(self, tokens: Tensor, lengths: Tensor, video: VideoFeatures, rng: torch.Generator) -> Tensor:
        """Of ids ``(b, m, q)``, m the longest that can be."""
        count = self.config.quantizers
        draws = LayerDraws.draw(len(tokens), count, self.config.condition_drop, rng, tokens.device)
        valid = valid_mask(lengths, tokens.shape[1])
        tokens = tokens.masked_fill(~valid[..., None], self.pad_id)
        layer = self.layer_embedding(F.one_hot(draws.layer, count).float())[:, None]
        hidden = self.head(self.decoder(self.history(tokens, draws.layer), valid, video, layer))
        logits = hidden @ self.tables.predict[draws.layer - 1].mT
        targets = tokens.gather(-1, draws.layer[:, None, None].expand(-1, tokens.shape[1], 1))[..., 0]
        return token_losses(logits, targets, valid)["total"]

    def history(self, tokens: Tensor, layer: Tensor) -> Tensor:
        """Summed embeddings ``(b, m, code_dim)`` of the layers below each sample's."""
        tables = self.tables.embed
        layers = torch.arange(len(tables), device=tokens.device)
        embedded = F.embedding(tokens[..., :-1] + layers * tables.shape[1], tables.flatten(0, 1))
        below = layers < layer[:, None]  # (b, q - 1)
        return torch.einsum("bmqc,bq->bmc", embedded, below.to(embedded.dtype))


class PlainTransformerStep:
    """A step that encodes the motions first."""

    def __init__(
        self, tokenizer: RvqTokenizer, part: PlainMasked | PlainResidual, device: torch.device
    ) -> None:
        self._tokenizer, self._part = with_plain_convolutions(tokenizer).to(device), part.to(device)
        self._optimizer = torch.optim.AdamW(part.parameters(), lr=2e-4, betas=(0.9, 0.99))
        self._rng = torch.Generator(device).manual_seed(0)

    def __call__(self, batch: PlainBatch) -> float:
        """Returns the loss."""
        tokens = self._tokenizer.encode(batch.motion, batch.lengths)  # (b, 50, q)
        lengths = batch.lengths // FRAMES_PER_TOKEN
        loss = self._part(tokens, lengths, batch.video, self._rng)
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        self._optimizer.step()
        return float(loss)


class PlainRvqStep:
    """A step of the tokenizer on windows ``(b, n, 263)``."""

    def __init__(self, tokenizer: RvqTokenizer, device: torch.device) -> None:
        self._part = with_plain_convolutions(tokenizer).to(device)
        self._optimizer = torch.optim.AdamW(self._part.parameters(), lr=2e-4, betas=(0.9, 0.99))
        self._rng = torch.Generator(device).manual_seed(0)

    def __call__(self, batch: Batch) -> float:
        """Returns the loss."""
        self._part.train()
        loss = self._part.losses(batch, self._rng)["total"]
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        self._optimizer.step()
        return float(loss)


def with_plain_convolutions(tokenizer: RvqTokenizer) -> RvqTokenizer:
    """A copy whose convolutions are torch's own, over ``(b, width, n)``."""
    copy = RvqTokenizer(tokenizer.config)
    copy.network = _PlainNetwork(tokenizer.config)
    copy.load_state_dict(tokenizer.state_dict())
    return copy.eval()


class _PlainNetwork(RvqNetwork):
    def __init__(self, config: RvqConfig) -> None:
        super().__init__(config)
        width = config.width
        down = [
            nn.Sequential(nn.Conv1d(width, width, 4, 2, 1), _blocks(config))
            for _ in range(config.downsamplings)
        ]
        up = [
            nn.Sequential(_blocks(config), nn.Upsample(scale_factor=2), nn.Conv1d(width, width, 3, 1, 1))
            for _ in range(config.downsamplings)
        ]
        self.encoder.model = nn.Sequential(
            nn.Conv1d(config.motion_dim, width, 3, 1, 1),
            nn.ReLU(),
            *down,
            nn.Conv1d(width, config.code_dim, 3, 1, 1),
        )
        self.decoder.model = nn.Sequential(
            nn.Conv1d(config.code_dim, width, 3, 1, 1),
            nn.ReLU(),
            *up,
            nn.Conv1d(width, width, 3, 1, 1),
            nn.ReLU(),
            nn.Conv1d(width, config.motion_dim, 3, 1, 1),
        )

    def encode_latents(self, motion: Tensor) -> Tensor:
        latents: Tensor = self.encoder(motion.transpose(1, 2))
        return latents.transpose(1, 2)

    def decode_latents(self, latents: Tensor, token_lengths: Tensor | None = None) -> Tensor:
        if token_lengths is not None:
            raise ValueError("the plain loop decodes what is padded as it is")
        motion: Tensor = self.decoder(latents.transpose(1, 2))
        return motion.transpose(1, 2)


def _blocks(config: RvqConfig) -> nn.Module:
    blocks = ResidualBlocks(config)
    dilations = [config.dilation_growth**power for power in reversed(range(config.depth))]
    blocks.model = nn.Sequential(*(_Block(config, dilation) for dilation in dilations))
    return blocks


class _Block(nn.Module):
    def __init__(self, config: RvqConfig, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(config.width, config.width, 3, padding=dilation, dilation=dilation)
        self.conv2 = nn.Conv1d(config.width, config.width, 1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        change: Tensor = self.dropout(self.conv2(self.conv1(hidden.relu()).relu()))
        return hidden + change
