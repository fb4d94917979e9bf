"""Videos in, reactions out: a run's encoder and generator, loaded once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from hero_core.errors import ConfigError, InputError, WeightsError
from hero_core.models.base import Reactions, VideoFeatures
from hero_core.models.explanation import explain
from hero_core.motion.feet import clean_vectors
from hero_core.motion.format import FPS, FRAMES_PER_TOKEN, whole_tokens
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.runs import load_run
from hero_core.storage import sha256_of_file
from hero_core.versions import library_versions
from pipeline.decode.video import DecodedClip
from pipeline.react.editing import Edit
from pipeline.react.encoder import load_run_encoder
from pipeline.react.reaction import Reaction
from pipeline.react.samples import ReactionSamples

Length: TypeAlias = int | Literal["video", "auto"] | None
"""Of a reaction: frames, those of the video, what the generator chooses, or the default."""

_LARGEST_SEED = 2**64 - 1  # that PyTorch takes


@runtime_checkable
class Edits(Protocol):
    """A generator that has this method can make parts of a motion anew; others simply lack it."""

    def edit(
        self, condition: VideoFeatures, motion: Tensor, lengths: Tensor, keep: Tensor, rng: torch.Generator
    ) -> Reactions:
        """Motions ``(b, n, 263)`` that are made anew where ``keep`` ``(b, n)`` is False."""
        ...


class Reactor:
    """A run that reacts to one video after another.

    reactor = Reactor("runs/first")
    samples = reactor("clip.mp4", samples=4)
    samples.joints, samples.vectors    # lists of arrays
    samples.show()                     # in a notebook
    samples.save("reactions")
    """

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

    def __call__(
        self,
        video: str | Path,
        samples: int = 1,
        length_frames: Length = None,
        seed: int = 0,
        clean_feet: bool = False,
        edit: Edit | None = None,
    ) -> ReactionSamples:
        """Generate reactions to a video, which is read once.

        Args:
            video: any video file.
            samples: how many, with the seeds ``seed``, ``seed + 1``, ...: each is as if it was the only one.
            length_frames: at 20 fps, rounded down to whole tokens; ``video`` for as long as the video takes, as far as
                the generator can; ``auto`` lets the generator choose; by default that where it stops by itself, else
                as long as the video.
            seed: another seed, another reaction.
            clean_feet: hold feet where they stand, see :func:`hero_core.motion.feet.clean_feet`.
            edit: make parts of this motion anew instead; then it has the motion's length.

        Raises:
            DecodeError: the video cannot be read.
            InputError, ConfigError: see :meth:`check`.
            WeightsError: the generator gives NaN.
        """
        self.check(samples, length_frames, seed, clean_feet, edit)
        video = Path(video)
        clip, features = self.encoder.encode(video)
        condition = VideoFeatures.of([features]).to(self.device)
        hashed = sha256_of_file(video)
        made = []
        for number in range(seed, seed + samples):
            rng = torch.Generator().manual_seed(number)  # on the CPU: the same draws on every device
            with torch.no_grad():
                if edit is None:
                    reactions = self.generator.generate(condition, self._length(length_frames, clip), rng)
                else:
                    reactions = self._edited(condition, edit, rng)
            frames = int(reactions.lengths[0])
            vectors = np.asarray(reactions.motion[0, :frames].float().cpu().numpy(), np.float32)  # (n, 263)
            if not np.isfinite(vectors).all():
                raise WeightsError(f"{self.run.folder}: gives NaN for {video}; its weights are not sound")
            vectors = clean_vectors(vectors) if clean_feet else vectors
            facts = {
                "seed": number,
                "clean_feet": clean_feet,
                "edited": None if edit is None else edit.facts(),
            }
            made.append(self._reaction(video, hashed, clip, condition, vectors, facts))
        return ReactionSamples(made)

    def check(
        self,
        samples: int = 1,
        length_frames: Length = None,
        seed: int = 0,
        clean_feet: bool = False,
        edit: Edit | None = None,
    ) -> None:
        """Refuse what this run can do for no video, before one is read; the arguments are those of a call.

        Raises:
            InputError: an impossible length, number of samples or seed, or ``auto`` where the generator chooses none.
            ConfigError: the generator cannot edit motions, or frames are to be kept and cleaned at once.
        """
        if samples < 1:
            raise InputError(f"{samples} samples: ask for one or more")
        if not 0 <= seed <= _LARGEST_SEED - (samples - 1):
            raise InputError(f"seed {seed}: seeds are numbers from 0 to {_LARGEST_SEED}")
        if length_frames == "auto" and not self.generator.chooses_length:
            raise InputError(
                "this run does not choose how long a reaction is: give a length; of HERO, a part that chooses can be "
                "trained: hero-train length DATA --out RUN"
            )
        if isinstance(length_frames, int):
            self._require_possible(length_frames)
        if edit is None:
            return
        if clean_feet or length_frames is not None:
            raise ConfigError("an edited motion keeps frames and length; ask for no length and no clean feet")
        if not isinstance(self.generator, Edits):
            raise ConfigError(f"{self.generator.kind} cannot make parts of a motion anew")
        self._require_possible(len(edit.motion))

    def _require_possible(self, frames: int) -> None:
        longest: int = self.generator.max_length
        if not FRAMES_PER_TOKEN <= frames <= longest:
            raise InputError(
                f"a reaction of {frames} frames ({frames / FPS:.2f} s) cannot be generated: ask for "
                f"{FRAMES_PER_TOKEN} to {longest} frames ({longest / FPS:g} s)"
            )

    def _edited(self, condition: VideoFeatures, edit: Edit, rng: torch.Generator) -> Reactions:
        assert isinstance(self.generator, Edits)
        motion = torch.from_numpy(edit.motion)[None].to(self.device)  # (1, n, 263)
        keep = torch.from_numpy(edit.keep)[None].to(self.device)  # (1, n)
        return self.generator.edit(condition, motion, torch.tensor([len(edit.motion)]), keep, rng)

    def _reaction(
        self,
        video: Path,
        video_sha256: str,
        clip: DecodedClip,
        condition: VideoFeatures,
        vectors: np.ndarray[Any, np.dtype[np.float32]],
        facts: dict[str, Any],
    ) -> Reaction:
        encoder = self.encoder.encoder
        statement = " ".join(filter(None, (self.run.data.get("statement"), encoder.statement)))
        warnings = (*clip.warnings, *self.encoder.warnings)
        provenance = {
            "video": {"name": video.name, "sha256": video_sha256},
            "sampled_seconds": clip.timestamps_seconds.tolist(),
            "generator": self.generator.kind,
            "weights_sha256": {
                "encoder": encoder.identity.weights_sha256,
                **{name: origin.sha256 for name, origin in self.run.origins.items()},
            },
            "encoder": encoder.identity.name,
            "device": str(self.device),
            "length_frames": len(vectors),
            "sampling": self.generator.sampling.model_dump(mode="json"),
            "statement": statement,
            "warnings": list(warnings),
            "versions": library_versions(),
            **facts,
        }
        (explained,) = explain(self.generator, condition, [vectors])
        return Reaction(
            video, vectors, vectors_to_joints(vectors), clip, statement, provenance, warnings, explained
        )

    def _length(self, frames: Length, clip: DecodedClip) -> Tensor | None:
        """As :meth:`Generator.generate` takes it, ``(1,)``."""
        if frames == "auto" or (frames is None and self.generator.stops_by_itself):
            return None
        if frames is None or frames == "video":
            shown = whole_tokens(round(clip.frame_count / clip.fps * FPS))
            frames = min(max(shown, FRAMES_PER_TOKEN), self.generator.max_length)
        return torch.tensor([frames], device=self.device)
