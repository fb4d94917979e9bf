"""The network whose embeddings the metrics compare: Guo et al.'s movement encoder and bidirectional GRU.

The official one was trained to match motions with text; ours learns to match them with videos, and can embed these too.
"""

from typing import ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from hero_core.config import Config
from hero_core.errors import InputError
from hero_core.models.base import TrainingFacts, VideoFeatures
from hero_core.models.joint_features import JOINT_FEATURE_DIM, joint_features, joint_statistics
from hero_core.models.normalisation import Normalisation
from hero_core.models.padding import zero_past
from hero_core.motion.format import FRAMES_PER_TOKEN, MOTION_DIM

CONTACT_DIMS = 4  # the last motion dimensions, which the evaluator does not see
LEAKY_SLOPE = 0.2

Sees = Literal["vectors", "joints"]


class EvaluatorConfig(Config):
    """Settings of the evaluator; the defaults are the official sizes.

    Attributes:
        sees: of motions. ``vectors`` without the contacts, as officially; most of their numbers say what others say,
            and models of tokens look better by them than by ``joints``, their positions and velocities alone
            (:mod:`hero_core.models.joint_features`; Meng et al., CVPR 2025).
        feature_dim: of the videos that it can embed, too; None where it cannot.
        motion_dim: values per frame, foot contacts included.
        movement_hidden: channels between the two convolutions.
        movement_dim: channels of a movement, 4 frames.
        motion_hidden: hidden size of each direction of the GRU.
        embedding_dim: size of the embedding.
        dropout: in the movement encoder, in training.
    """

    sees: Sees = "vectors"
    feature_dim: int | None = Field(None, ge=1)
    motion_dim: int = Field(MOTION_DIM, gt=CONTACT_DIMS)
    movement_hidden: int = Field(512, ge=1)
    movement_dim: int = Field(512, ge=1)
    motion_hidden: int = Field(1024, ge=1)
    embedding_dim: int = Field(512, ge=1)
    dropout: float = Field(0.2, ge=0.0, lt=1.0)

    @property
    def seen_dim(self) -> int:
        """Values per frame that the network sees."""
        return JOINT_FEATURE_DIM if self.sees == "joints" else self.motion_dim - CONTACT_DIMS


class MotionEvaluator(nn.Module):
    """Motions and their videos to embeddings. Parameter names of the motions' side are the official ones."""

    kind: ClassVar[str] = "evaluator"
    settings: ClassVar[type[EvaluatorConfig]] = EvaluatorConfig

    def __init__(self, config: EvaluatorConfig) -> None:
        super().__init__()
        self.config = config
        self.normalisation = Normalisation(
            config.motion_dim if config.sees == "vectors" else JOINT_FEATURE_DIM
        )
        self.movement_encoder = MovementEncoder(config)
        self.motion_encoder = MotionEncoder(config)
        self.video_encoder = None if config.feature_dim is None else VideoEncoder(config, config.feature_dim)

    @classmethod
    def build(cls, config: EvaluatorConfig, facts: TrainingFacts) -> Self:
        """A new evaluator of motions and videos, with the statistics of the training motions."""
        evaluator = cls(config.model_copy(update={"feature_dim": facts.feature_dim or None}))
        if config.sees == "vectors":
            evaluator.normalisation.take(facts.statistics)
        else:
            evaluator.normalisation.mean, evaluator.normalisation.std = joint_statistics(facts.statistics)
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
        normalised = self.normalisation(joint_features(motion) if self.config.sees == "joints" else motion)
        if zero_tail:
            normalised = zero_past(normalised, lengths)
        movements: Tensor = self.movement_encoder(
            normalised[..., : self.config.seen_dim]
        )  # (b, n // 4, movement_dim)
        embeddings: Tensor = self.motion_encoder(movements, lengths // FRAMES_PER_TOKEN)
        return embeddings

    def embed_videos(self, videos: VideoFeatures) -> Tensor:
        """Embeddings ``(b, embedding_dim)``, near those of the motions that fit the videos.

        Raises:
            InputError: it was not trained on videos, or on features of another width.
        """
        if self.video_encoder is None:
            raise InputError("this evaluator embeds motions only")
        if (width := videos.frames.shape[-1]) != self.config.feature_dim:
            raise InputError(
                f"features of {width} values, but the evaluator was made for {self.config.feature_dim}"
            )
        embeddings: Tensor = self.video_encoder(videos)
        return embeddings

    def forget_videos(self) -> None:
        """Embed motions only from now on."""
        self.video_encoder = None
        self.config = self.config.model_copy(update={"feature_dim": None})


class MovementEncoder(nn.Module):
    """Two strided convolutions: every 4 frames become one movement."""

    def __init__(self, config: EvaluatorConfig) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv1d(config.seen_dim, config.movement_hidden, 4, stride=2, padding=1),
            nn.Dropout(config.dropout),
            nn.LeakyReLU(LEAKY_SLOPE),
            nn.Conv1d(config.movement_hidden, config.movement_dim, 4, stride=2, padding=1),
            nn.Dropout(config.dropout),
            nn.LeakyReLU(LEAKY_SLOPE),
        )
        self.out_net = nn.Linear(config.movement_dim, config.movement_dim)

    def forward(self, motion: Tensor) -> Tensor:
        """``(b, n, seen_dim)`` -> ``(b, n // 4, movement_dim)``."""
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


class VideoEncoder(nn.Module):
    """A bidirectional GRU over the frame features."""

    def __init__(self, config: EvaluatorConfig, feature_dim: int) -> None:
        super().__init__()
        hidden = config.motion_hidden
        self.input = nn.Sequential(nn.LayerNorm(feature_dim), nn.Linear(feature_dim, hidden))
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.output = nn.Sequential(nn.LayerNorm(2 * hidden), nn.Linear(2 * hidden, config.embedding_dim))

    def forward(self, videos: VideoFeatures) -> Tensor:
        """Embeddings ``(b, embedding_dim)``."""
        _, final = self.gru(self.input(videos.frames))  # (2, b, hidden)
        embeddings: Tensor = self.output(torch.cat((final[0], final[1]), dim=-1))
        return embeddings
