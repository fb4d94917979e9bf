"""The answers without a model as generators, so that they get every number that a generator gets."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hero_core.config import Config
from hero_core.errors import InputError
from hero_core.models.base import Reactions, VideoFeatures
from hero_core.models.lengths import whole_lengths
from hero_core.motion.format import MAX_FRAMES, MOTION_DIM
from hero_core.runs import LoadedRun
from trainer.eval.baselines import Baselines, KnownClips, KnownPairs, Scaler, nearest_motions
from trainer.reactions import Motion

TrivialName = Literal["nearest", "classifier"]
"""As the rows of :data:`trainer.eval.plausibility.ROWS` are called."""

Choose = Callable[[NDArray[np.float64], Sequence[int], np.random.Generator], list[Motion]]
"""From global features ``(b, d)``, lengths in frames and draws, a motion of each length."""


class TrivialGenerator:
    """Reacts with training motions; a :class:`hero_core.models.base.Generator` without parts."""

    kind: ClassVar[str]
    parts: ClassVar[Mapping[str, type[Any]]] = {}
    settings: ClassVar[type[Config]] = Config
    sampling_settings: ClassVar[type[Config]] = Config
    chooses_length: ClassVar[bool] = False
    stops_by_itself: ClassVar[bool] = False
    max_length = MAX_FRAMES

    def __init__(self, choose: Choose, feature_dim: int) -> None:
        self.feature_dim = feature_dim
        self.sampling = Config()
        self._choose = choose

    def generate(self, condition: VideoFeatures, lengths: Tensor | None, rng: torch.Generator) -> Reactions:
        """See :meth:`hero_core.models.base.Generator.generate`."""
        frames = whole_lengths(condition, lengths, MAX_FRAMES)
        features = condition.global_feature.double().cpu().numpy()
        draws = np.random.default_rng(int(torch.randint(2**62, (), generator=rng, device=rng.device)))
        motions = np.zeros((len(frames), max(frames), MOTION_DIM), np.float32)  # (b, n, 263)
        for row, motion in enumerate(self._choose(features, frames, draws)):
            motions[row, : len(motion)] = motion
        device = condition.frames.device
        return Reactions(torch.from_numpy(motions).to(device), torch.tensor(frames, device=device))

    def reconstruct(self, motion: Tensor, lengths: Tensor) -> None:
        """It has no tokens."""

    def to(self, device: torch.device) -> "TrivialGenerator":
        """Nothing of it is on a device."""
        return self

    def eval(self) -> "TrivialGenerator":
        """Nothing of it is trained."""
        return self


class NearestClip(TrivialGenerator):
    """Reacts with a motion of the training clip whose global feature is the most similar."""

    kind = "nearest"


class ClassifierAnswer(TrivialGenerator):
    """Reacts with a training motion of the class that a linear classifier puts the global feature into."""

    kind = "classifier"


def trivial_run(name: TrivialName, known: KnownPairs, folder: Path) -> LoadedRun:
    """A run, of no parts, that reacts with motions of ``known.train``, which is in ``folder``.

    Raises:
        InputError: ``classifier``, and the right answers there, or on the validation pairs, are not known.
    """
    if name == "nearest":
        clips = KnownClips.unlabelled(known.train)
        scaler = Scaler.fit(clips.features)

        def nearest(
            features: NDArray[np.float64], lengths: Sequence[int], rng: np.random.Generator
        ) -> list[Motion]:
            return nearest_motions(clips, scaler, features, lengths, rng)

        return LoadedRun(folder, NearestClip(nearest, clips.features.shape[1]), {})
    baselines = Baselines.fit(*known)
    if baselines is None:
        raise InputError(
            f"{folder}: no right answers are known in train and val, so no classifier can be fitted"
        )
    width = baselines.train.features.shape[1]
    return LoadedRun(folder, ClassifierAnswer(baselines.motions_of_class, width), {})
