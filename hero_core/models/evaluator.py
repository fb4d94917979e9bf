"""The network whose embeddings the metrics compare: Guo et al.'s movement encoder and bidirectional GRU.

The official one was trained to match motions with text; ours learns to match them with videos.
"""

from typing import ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from hero_core.config import Config
from hero_core.errors import InputError
from hero_core.models.base import TrainingFacts
from hero_core.models.normalisation import Normalisation
from hero_core.models.padding import zero_past
from hero_core.motion.format import FRAMES_PER_TOKEN, MOTION_DIM

CONTACT_DIMS = 4  # the last motion dimensions, which the evaluator does not see
LEAKY_SLOPE = 0.2


class EvaluatorConfig(Config):
    """Settings of the evaluator; the defaults are the official sizes.

    Attributes:
        motion_dim: values per frame, foot contacts included.
        movement_hidden: channels between the two convolutions.
        movement_dim: channels of a movement, 4 frames.
        motion_hidden: hidden size of each direction of the GRU.
        embedding_dim: size of the embedding.
        dropout: in the movement encoder, in training.
    """

    motion_dim: int = Field(MOTION_DIM, gt=CONTACT_DIMS)
    movement_hidden: int = Field(512, ge=1)
    movement_dim: int = Field(512, ge=1)
    motion_hidden: int = Field(1024, ge=1)
    embedding_dim: int = Field(512, ge=1)
    dropout: float = Field(0.2, ge=0.0, lt=1.0)


class MotionEvaluator(nn.Module):
    """Motions to embeddings. Parameter names are those of the official release."""

    kind: ClassVar[str] = "evaluator"
    settings: ClassVar[type[EvaluatorConfig]] = EvaluatorConfig

    def __init__(self, config: EvaluatorConfig) -> None:
        super().__init__()
        self.config = config
        self.normalisation = Normalisation(config.motion_dim)
        self.movement_encoder = MovementEncoder(config)
        self.motion_encoder = MotionEncoder(config)

    @classmethod
    def build(cls, config: EvaluatorConfig, facts: TrainingFacts) -> Self:
        """A new evaluator with the statistics of the training motions."""
        evaluator = cls(config)
        evaluator.normalisation.take(facts.statistics)
        return evaluator

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
        if shortest < FRAMES_PER_TOKEN or longest > motion.shape[1]:
            raise InputError(
                f"lengths of {shortest} to {longest} frames: the evaluator needs "
                f"{FRAMES_PER_TOKEN} to {motion.shape[1]}"
            )
        normalised = self.normalisation(motion)
        if zero_tail:
            normalised = zero_past(normalised, lengths)
        movements: Tensor = self.movement_encoder(
            normalised[..., :-CONTACT_DIMS]
        )  # (b, n // 4, movement_dim)
        embeddings: Tensor = self.motion_encoder(movements, lengths // FRAMES_PER_TOKEN)
        return embeddings


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
