"""What the generators, and all who use them, speak of: features of videos, batches, parts, and the registry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from hero_core.config import Config
from hero_core.errors import ConfigError
from hero_core.models.checkpoint import Network
from hero_core.models.ranks import ALONE, Ranks
from hero_core.motion.format import FPS
from hero_core.motion.statistics import MotionStatistics
from hero_core.records import FeatureRecord


class VideoFeatures(NamedTuple):
    """Features of a batch of clips (paper, section 3.1).

    Attributes:
        frames: one vector per sampled frame, ``(b, t, d)``; the paper's v_l.
        global_feature: their mean, ``(b, d)``; the paper's v_g.
        times: when the frames are shown, ``(b, t)``, in seconds from the first frame of the motion.
    """

    frames: Tensor
    global_feature: Tensor
    times: Tensor

    def to(self, device: torch.device) -> "VideoFeatures":
        """The same features on another device."""
        return self.map(lambda part: part.to(device))

    def map(self, change: Callable[[Tensor], Tensor]) -> "VideoFeatures":
        """The features after the same change to each of their tensors."""
        return VideoFeatures(*map(change, self))

    @classmethod
    def of(
        cls, records: Sequence[FeatureRecord], start_frames: Sequence[int] | None = None
    ) -> "VideoFeatures":
        """Stack the features of clips.

        Args:
            records: one per clip.
            start_frames: which frame of its 20 fps motion each motion in the batch starts at; 0 unless given.
        """
        starts = np.zeros(len(records)) if start_frames is None else np.asarray(start_frames)
        times = np.stack([record.timestamps_seconds for record in records]) - starts[:, None] / FPS
        return cls(
            torch.from_numpy(np.stack([record.frames for record in records])).float(),  # (b, t, d)
            torch.from_numpy(np.stack([record.global_feature for record in records])).float(),  # (b, d)
            torch.from_numpy(times).float(),  # (b, t)
        )


class Reactions(NamedTuple):
    """What a generator makes of videos.

    Attributes:
        motion: ``(b, n, 263)`` in HumanML3D units; n the longest length.
        lengths: ``(b,)`` int64 on the CPU, valid frames of each, whole tokens.
    """

    motion: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class Batch:
    """What a part learns from, batch first.

    Attributes:
        keys: of the pairs, all different, and a clip with several reactions may be in more than one; of windows, of the
            motions that they are from.
        lengths: ``(b,)`` int64, valid frames.
        frames: the motions ``(b, n, 263)`` in HumanML3D units, zero past each length; None where ``encoded`` stands
            for them.
        condition: the videos; None for a part that is trained on motions alone.
        encoded: what the part named by ``encoded_by`` makes of the motions, ``(b, m, q)``: tokens, of any values past
            each length, or with m 1 one row for each motion; None for a part that is trained on the motions themselves.
        most_tokens: no fewer than the motions have together, where that is to be known without asking the device; of a
            batch that several processes share, than those in one's share have.
        ranks: the processes that compute this batch together, each its share of the rows.
    """

    keys: tuple[str, ...]
    lengths: Tensor
    frames: Tensor | None = None
    condition: VideoFeatures | None = None
    encoded: Tensor | None = None
    most_tokens: int | None = None
    ranks: Ranks = ALONE

    def to(self, device: torch.device) -> "Batch":
        """The same batch on ``device``."""
        return replace(
            self,
            lengths=self.lengths.to(device),
            frames=None if self.frames is None else self.frames.to(device),
            condition=self.condition and self.condition.to(device),
            encoded=None if self.encoded is None else self.encoded.to(device),
        )

    @property
    def motion(self) -> Tensor:
        """The motions, of a batch that has them."""
        if self.frames is None:
            raise ValueError("this batch was made without motions")
        return self.frames

    @property
    def video(self) -> VideoFeatures:
        """The condition, of a batch that has one."""
        if self.condition is None:
            raise ValueError("this batch was made without videos")
        return self.condition

    @property
    def tokens(self) -> Tensor:
        """What the motions were encoded to, of a batch that was."""
        if self.encoded is None:
            raise ValueError("this batch was not encoded")
        return self.encoded


@dataclass(frozen=True)
class TrainingFacts:
    """What a part is built from besides its settings.

    Attributes:
        statistics: of the training motions, as the settings emphasise them.
        feature_dim: of the video features; 0 where there are motions only.
        longest_frames: frames of the longest motion that it learns from, or is validated on.
        synchronous: whether the motions run at the same time as their videos.
        parts: the part that encodes its motions, by name, in evaluation mode; empty for one that needs none.
    """

    statistics: MotionStatistics
    feature_dim: int
    longest_frames: int
    parts: Mapping[str, Any]
    synchronous: bool = False


TrainedOn = Literal["windows", "motions", "pairs"]


class Encoder(Protocol):
    """A part whose codes later parts learn from instead of the motions.

    Attributes:
        frames_per_code: how many frames each row of codes stands for; None where one stands for the whole motion.
        reach_frames: how far after its first frame a row sees; of a whole motion's it does not matter.
    """

    @property
    def frames_per_code(self) -> int | None: ...

    @property
    def reach_frames(self) -> int: ...

    def encode(self, motion: Tensor, lengths: Tensor) -> Tensor:
        """Codes ``(b, m, q)`` of motions ``(b, n, 263)`` in HumanML3D units with ``lengths`` ``(b,)`` valid frames."""
        ...


class Part(Network, Protocol):
    """A network of a generator that is trained by itself: an ``nn.Module`` with the following.

    Attributes:
        trained_on: ``windows`` of motions alone; ``motions``, whole ones alone; ``pairs``, whole motions with their
            videos. A part can start from weights of another run: its settings name in ``of_weights`` those that weights
            are bound to, and if it normalises motions, then by its ``normalisation``.
        encoded_by: name of the earlier part, an :class:`Encoder`, which makes ``Batch.encoded``, or None.
        metric: the loss that marks the best checkpoint by its lowest value on the validation pairs.
        validation_draws: how often each validation pair is scored, with other random draws.
        blocks: the classes of modules that most of the time goes into, worth compiling.
        recordable: whether :meth:`losses` is made of operations on the device alone, whose shapes follow from those of
            the batch: then a GPU can play it back.
    """

    trained_on: ClassVar[TrainedOn]
    encoded_by: ClassVar[str | None]
    metric: ClassVar[str]
    validation_draws: ClassVar[int]
    recordable: ClassVar[bool]
    blocks: ClassVar[tuple[type[Any], ...]]

    @classmethod
    def build(cls, config: Any, facts: TrainingFacts) -> Any:
        """A new part to train; initial weights come from torch's global generator.

        Raises:
            ConfigError: settings, data and earlier parts do not fit together.
        """
        ...

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Named scalars of a batch; ``total`` is minimised, the others are logged.

        Of a batch with several ``ranks`` a part may compute its own rows alone: all that counts is the mean over them.
        """
        ...


class Generator(Protocol):
    """What makes reactions: an ``nn.Module`` of one or more parts. A new one is one file, and its presets.

    Attributes:
        kind: its name in settings and runs.
        parts: its parts by name, in training order.
        optional_parts: names of those that it generates without, too; none unless it says so.
        settings: class of the settings that concern the generator as a whole. They reach a part only through its
            section of the settings, where a validator writes what follows from them.
        sampling_settings: class of the settings of :meth:`generate`.
        sampling: its own.
        feature_dim: of the video features it was trained on.
        max_length: frames of the longest reaction.
        chooses_length: whether it can decide by itself how long a reaction is.
        stops_by_itself: whether it does unless told otherwise, as autoregressive ones do.
    """

    kind: ClassVar[str]
    parts: ClassVar[Mapping[str, type[Any]]]
    settings: ClassVar[type[Config]]
    sampling_settings: ClassVar[type[Config]]
    stops_by_itself: ClassVar[bool]
    sampling: Any

    def __init__(self, parts: Mapping[str, Any], sampling: Any) -> None: ...

    @property
    def feature_dim(self) -> int: ...

    @property
    def max_length(self) -> int: ...

    @property
    def chooses_length(self) -> bool: ...

    def generate(self, condition: VideoFeatures, lengths: Tensor | None, rng: torch.Generator) -> Reactions:
        """Reactions to videos, zero past their lengths.

        Args:
            condition: features of ``b`` clips.
            lengths: ``(b,)`` int64 frames, rounded down to whole tokens; None for those that the generator chooses.
            rng: decides everything that is random; on the CPU it gives the same draws on every device.

        Raises:
            InputError: a length that cannot be generated, or none where the generator chooses none.
        """
        ...

    def reconstruct(self, motion: Tensor, lengths: Tensor) -> Tensor | None:
        """Motions ``(b, n, 263)`` through the generator's tokens or latents and back; None where it has none."""
        ...

    def to(self, device: torch.device) -> Any: ...

    def eval(self) -> Any: ...


GeneratorT = TypeVar("GeneratorT", bound=type[Any])
_REGISTRY: dict[str, type[Any]] = {}


def register(cls: GeneratorT) -> GeneratorT:
    """Make a generator known by its ``kind``; a class decorator."""
    _REGISTRY[cls.kind] = cls
    return cls


def generator_class(kind: str) -> type[Any]:
    """The generator called ``kind``, a :class:`Generator`.

    Raises:
        ConfigError: none is called so; lists those there are.
    """
    if kind not in _REGISTRY:
        raise ConfigError(f"no generator is called {kind!r}; there are {', '.join(sorted(_REGISTRY))}")
    return _REGISTRY[kind]


def generator_names() -> list[str]:
    """Names of all generators, in the order in which they were registered."""
    return list(_REGISTRY)


def optional_parts(cls: type[Any]) -> frozenset[str]:
    """Names of the parts that a run of this generator may lack."""
    return frozenset(getattr(cls, "optional_parts", ()))


def part_names() -> list[str]:
    """Names of the parts of all generators, each once."""
    return list(dict.fromkeys(name for cls in _REGISTRY.values() for name in cls.parts))
