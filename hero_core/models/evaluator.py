"""The network whose embeddings the metrics compare: Guo et al.'s movement encoder and bidirectional GRU.

The official one was trained to match motions with text; ours learns to match them with videos.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from hero_core.checkpoints import load_checkpoint, load_state, save_checkpoint
from hero_core.config import Config, parse_config
from hero_core.errors import InputError
from hero_core.models.padding import zero_past
from hero_core.models.statistics import MotionStatistics

KIND = "evaluator"
UNIT_LENGTH = 4  # frames a movement
CONTACT_DIMS = 4  # the last motion dimensions, which the evaluator does not see
LEAKY_SLOPE = 0.2


class EvaluatorConfig(Config):
    """Settings of the evaluator; the defaults are the official sizes.

    Attributes:
        motion_dim: values a frame, foot contacts included.
        movement_hidden: channels between the two convolutions.
        movement_dim: channels of a movement, 4 frames.
        motion_hidden: hidden size of each direction of the GRU.
        embedding_dim: size of the embedding.
        dropout: in the movement encoder, in training.
    """

    motion_dim: int = Field(263, gt=CONTACT_DIMS)
    movement_hidden: int = Field(512, ge=1)
    movement_dim: int = Field(512, ge=1)
    motion_hidden: int = Field(1024, ge=1)
    embedding_dim: int = Field(512, ge=1)
    dropout: float = Field(0.2, ge=0.0, lt=1.0)


class MotionEvaluator(nn.Module):
    """Motions to embeddings. Parameter names are those of the official release.

    Args:
        config: its sizes.
        mean: of every motion dimension, ``(motion_dim,)``.
        std: its standard deviation, ``(motion_dim,)``, positive.

    Raises:
        InputError: the statistics do not fit ``config.motion_dim``, or a standard deviation is not positive.
    """

    def __init__(self, config: EvaluatorConfig, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.config = config
        self.statistics = MotionStatistics(mean, std, config.motion_dim)
        self.movement_encoder = MovementEncoder(config)
        self.motion_encoder = MotionEncoder(config)

    def embed(self, motion: Tensor, lengths: Tensor, zero_tail: bool = True) -> Tensor:
        """Embeddings, in the order of the input (the official wrapper returns them sorted by length).

        Args:
            motion: ``(b, n, motion_dim)`` HumanML3D units. What is compared must be padded to one n (officially
                200): a motion that fills the whole n ends a little differently than one with padding behind it.
            lengths: ``(b,)`` valid frames, each at least 4.
            zero_tail: whether frames past a length are set to zero after normalisation, as real motions are
                padded. The official release leaves in what the decoder put there, which reaches the last
                movement through the convolutions; False does the same.

        Returns:
            ``(b, embedding_dim)``.

        Raises:
            InputError: a motion shorter than 4 frames, or longer than n.
        """
        shortest, longest = int(lengths.min()), int(lengths.max())
        if shortest < UNIT_LENGTH or longest > motion.shape[1]:
            raise InputError(
                f"lengths of {shortest} to {longest} frames: the evaluator needs {UNIT_LENGTH} to {motion.shape[1]}"
            )
        normalised = self.statistics.normalise(motion)
        if zero_tail:
            normalised = zero_past(normalised, lengths)
        movements: Tensor = self.movement_encoder(
            normalised[..., :-CONTACT_DIMS]
        )  # (b, n // 4, movement_dim)
        embeddings: Tensor = self.motion_encoder(movements, lengths // UNIT_LENGTH)
        return embeddings

    def save(self, folder: Path, metadata: Mapping[str, Any]) -> None:
        """Write a checkpoint folder."""
        save_checkpoint(folder, KIND, self.config, self.state_dict(), metadata)

    @classmethod
    def load(cls, folder: Path) -> "MotionEvaluator":
        """Read a checkpoint folder; in evaluation mode.

        Raises:
            WeightsError: no checkpoint of an evaluator there, or damaged.
            ConfigError: its settings are not this version's.
        """
        checkpoint = load_checkpoint(folder, KIND)
        config = parse_config(EvaluatorConfig, checkpoint.config, str(folder))
        evaluator = cls(config, torch.zeros(config.motion_dim), torch.ones(config.motion_dim))
        load_state(evaluator, checkpoint.tensors, folder)
        return evaluator.eval()


class MovementEncoder(nn.Module):
    """Two strided convolutions: every 4 frames become one movement."""

    def __init__(self, config: EvaluatorConfig) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv1d(config.motion_dim - CONTACT_DIMS, config.movement_hidden, 4, stride=2, padding=1),
            nn.Dropout(config.dropout),
            nn.LeakyReLU(LEAKY_SLOPE),
            nn.Conv1d(config.movement_hidden, config.movement_dim, 4, stride=2, padding=1),
            nn.Dropout(config.dropout),
            nn.LeakyReLU(LEAKY_SLOPE),
        )
        self.out_net = nn.Linear(config.movement_dim, config.movement_dim)

    def forward(self, motion: Tensor) -> Tensor:
        """``(b, n, motion_dim - 4)`` -> ``(b, n // 4, movement_dim)``."""
        movements: Tensor = self.main(motion.transpose(1, 2))  # (b, movement_dim, n // 4)
        projected: Tensor = self.out_net(movements.transpose(1, 2))
        return projected


class MotionEncoder(nn.Module):
    """A bidirectional GRU with a learned start, and a head on its two final states."""

    def __init__(self, config: EvaluatorConfig) -> None:
        super().__init__()
        hidden = config.motion_hidden
        self.input_emb = nn.Linear(config.movement_dim, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.hidden = nn.Parameter(torch.randn(2, 1, hidden))
        self.output_net = nn.Sequential(
            nn.Linear(2 * hidden, hidden),
            nn.LayerNorm(hidden),
            nn.LeakyReLU(LEAKY_SLOPE),
            nn.Linear(hidden, config.embedding_dim),
        )

    def forward(self, movements: Tensor, lengths: Tensor) -> Tensor:
        """``(b, m, movement_dim)`` with ``(b,)`` valid movements -> ``(b, embedding_dim)``."""
        packed = pack_padded_sequence(
            self.input_emb(movements), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        start = self.hidden.expand(-1, len(movements), -1).contiguous()  # (2, b, hidden)
        _, final = self.gru(packed, start)  # (2, b, hidden)
        embeddings: Tensor = self.output_net(torch.cat((final[0], final[1]), dim=-1))
        return embeddings
