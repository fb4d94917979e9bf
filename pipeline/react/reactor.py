"""Videos in, reactions out: a run's encoder and generator, loaded once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from hero_core.errors import InputError, WeightsError
from hero_core.models.base import VideoFeatures
from hero_core.models.checkpoint import library_versions
from hero_core.models.explanation import explain
from hero_core.motion.format import FPS, FRAMES_PER_TOKEN
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.progress import Progress, silent
from hero_core.runs import load_run
from hero_core.storage import sha256_of_file
from pipeline.react.encoder import load_run_encoder
from pipeline.react.film import ReactionFiles, write_reaction
from pipeline.react.reaction import Reaction

Length: TypeAlias = int | Literal["auto"] | None
"""Of a reaction: frames, what the generator chooses, or the default."""

DEFAULT_LENGTH_FRAMES = 88
"""Of a reaction whose length nobody chose, as in the official release; a generator's longest, where that is less."""


class Reactor:
    """A run that reacts to one video after another."""

    def __init__(
        self,
        run: str | Path,
        weights: str | Path | None = None,
        device: torch.device | str | None = None,
        sampling: Sequence[str] = (),
    ) -> None:
        """Load generator and encoder.

        Args:
            run: run folder of ``hero-train``, of any generator.
            weights: of the encoder, where it is TC-CLIP.
            device: where to compute; by default where the run's training features were made.
            sampling: settings of how to generate, ``name=value``; the generator's defaults otherwise.

        Raises:
            WeightsError: weights are missing, damaged, or do not fit.
            FingerprintError: the encoder is not the one that the run was trained with.
            ConfigError: an unknown setting.
        """
        self.run = load_run(Path(run), sampling=sampling)
        self.encoder = load_run_encoder(
            self.run.data,
            None if weights is None else Path(weights),
            None if device is None else torch.device(device),
        )
        made, read = self.encoder.encoder.feature_dim, self.run.generator.feature_dim
        if made != read:
            raise WeightsError(
                f"{run}: reads features of {read} values, and this encoder makes {made}; name the weights that the "
                "run was trained with: --weights FILE"
            )
        self.device = self.encoder.encoder.device
        self.generator = self.run.generator.to(self.device)

    def react(self, video: str | Path, length_frames: Length = None, seed: int = 0) -> Reaction:
        """Generate a reaction.

        Args:
            video: any video file.
            length_frames: at 20 fps, rounded down to whole tokens; ``auto`` lets the generator choose; by default that
                where it stops by itself, else 88, or the generator's longest.
            seed: another seed, another reaction.

        Raises:
            DecodeError: the video cannot be read.
            InputError: an impossible length, or ``auto`` where the generator chooses none.
        """
        video = Path(video)
        length = self._length(length_frames)
        clip, features = self.encoder.encode(video)
        condition = VideoFeatures.of([features]).to(self.device)
        rng = torch.Generator().manual_seed(seed)  # on the CPU: the same draws on every device
        with torch.no_grad():
            made = self.generator.generate(condition, length, rng)
        frames = int(made.lengths[0])
        vectors = np.asarray(made.motion[0, :frames].float().cpu().numpy(), np.float32)  # (n, 263)
        encoder = self.encoder.encoder
        statement = " ".join(filter(None, (self.run.data.get("statement"), encoder.statement)))
        warnings = (*clip.warnings, *self.encoder.warnings)
        provenance = {
            "video": {"name": video.name, "sha256": sha256_of_file(video)},
            "sampled_seconds": clip.timestamps_seconds.tolist(),
            "generator": self.generator.kind,
            "weights_sha256": {
                "encoder": encoder.identity.weights_sha256,
                **{name: origin.sha256 for name, origin in self.run.origins.items()},
            },
            "encoder": encoder.identity.name,
            "device": str(self.device),
            "length_frames": frames,
            "seed": seed,
            "sampling": self.generator.sampling.model_dump(mode="json"),
            "statement": statement,
            "warnings": list(warnings),
            "versions": library_versions(),
        }
        (explained,) = explain(self.generator, condition, [vectors])
        return Reaction(
            video, vectors, vectors_to_joints(vectors), clip, statement, provenance, warnings, explained
        )

    def _length(self, frames: Length) -> Tensor | None:
        """As :meth:`Generator.generate` takes it, ``(1,)``."""
        longest: int = self.generator.max_length
        if frames == "auto" or (frames is None and self.generator.stops_by_itself):
            return None
        if frames is None:
            frames = min(DEFAULT_LENGTH_FRAMES, longest)
        if not FRAMES_PER_TOKEN <= frames <= longest:
            raise InputError(
                f"a reaction of {frames} frames ({frames / FPS:.2f} s) cannot be generated: ask for "
                f"{FRAMES_PER_TOKEN} to {longest} frames ({longest / FPS:g} s)"
            )
        return torch.tensor([frames], device=self.device)


def react(
    video: str | Path,
    run: str | Path,
    out: str | Path,
    length_frames: Length = None,
    seed: int = 0,
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
    sampling: Sequence[str] = (),
    report: Progress = silent,
) -> ReactionFiles:
    """Generate a reaction to one video and write ``out/{video's name}.npz``, ``.bvh``, ``.mp4`` and ``.html``.

    Arguments and errors are those of :class:`Reactor`, :meth:`Reactor.react` and
    :func:`pipeline.react.film.write_reaction`; ``report`` is told what is being done.
    """
    report(0, 3, "loading the run and its encoder")
    reactor = Reactor(run, weights, device, sampling)
    report(1, 3, "watching the video and generating the reaction")
    reaction = reactor.react(video, length_frames, seed)
    report(2, 3, "drawing the film and the page")
    files = write_reaction(reaction, out)
    report(3, 3)
    return files
