"""The frozen video encoders to choose from, and what each says about itself in manifests and reports."""

from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray

from hero_core.config import parse_config
from hero_core.errors import InputError, WeightsError
from hero_core.fingerprint import EncoderIdentity, sha256_of_tensors
from hero_core.models.tc_clip.tower import TcClip, TcClipConfig
from hero_core.models.tc_clip.weights import build_tc_clip, read_vision_weights
from hero_core.storage import read_json
from pipeline.choices import EncoderName
from pipeline.decode.transforms import normalise

MINI_WEIGHTS = Path(__file__).parent / "weights" / "mini.safetensors"


@dataclass(frozen=True)
class Encoder:
    """A frozen tower, ready to encode.

    Attributes:
        identity: which one.
        statement: one sentence, what these features are.
        weights_file: name of the user's file; None where the weights come with the project.
        dtype: of the arithmetic; features come out in float32.
    """

    identity: EncoderIdentity
    statement: str
    weights_file: str | None
    model: TcClip
    device: torch.device
    dtype: torch.dtype

    @property
    def image_size(self) -> int:
        """Side of the square frames, in pixels."""
        return self.model.config.image_size

    @property
    def frames(self) -> int:
        """Frames of a clip."""
        return self.model.config.frames

    @property
    def feature_dim(self) -> int:
        """Length of a feature vector."""
        return self.model.config.out_dim

    @torch.inference_mode()
    def encode(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode RGB clips of ``(b, frames, image_size, image_size, 3)`` uint8.

        Rounding depends on b, and features on rounding: to compare or cache features, always pass the same b.

        Returns:
            ``(b, frames, feature_dim)``, one vector per frame.

        Raises:
            InputError: clips of another shape or type.
        """
        expected = (self.frames, self.image_size, self.image_size, 3)
        if clips.dtype != np.uint8 or clips.shape[1:] != expected:
            raise InputError(
                f"the {self.identity.name} encoder reads uint8 clips of shape (b, {', '.join(map(str, expected))}), "
                f"not {clips.dtype} {clips.shape}"
            )
        frames = torch.from_numpy(normalise(clips.reshape(-1, *expected[1:])))  # (b·t, 3, h, w)
        video = frames.view(-1, self.frames, *frames.shape[1:])
        features: NDArray[np.float32] = self.model(video.to(self.device, self.dtype)).float().cpu().numpy()
        return features


def load_encoder(
    name: EncoderName, weights: Path | None, device: torch.device, dtype: torch.dtype = torch.float32
) -> Encoder:
    """Make an encoder ready.

    Args:
        name: ``tc-clip`` reads the user's ``weights``; ``mini`` and ``tc-clip-random`` take none.
        weights: any file that :mod:`hero_core.models.tc_clip.weights` reads.
        device: where it runs.
        dtype: of its arithmetic.

    Raises:
        WeightsError: weights are missing, not wanted, or do not fit.
    """
    if name == "tc-clip":
        if weights is None:
            raise WeightsError(
                "the tc-clip encoder needs --weights: TC-CLIP's zero-shot ViT-B/16 checkpoint (CC BY-NC 4.0) from its "
                "authors, or OpenAI's CLIP ViT-B/16; without weights, use --encoder mini"
            )
        return _pretrained(weights, device, dtype)
    if weights is not None:
        raise WeightsError(
            f"{weights}: the {name} encoder takes no weights; use --encoder tc-clip for this file"
        )
    if name == "mini":
        return _mini(device, dtype)
    if name == "tc-clip-random":
        return random_tc_clip(0, device, dtype)
    assert_never(name)


def random_tc_clip(
    seed: int, device: torch.device, dtype: torch.dtype = torch.float32, config: TcClipConfig | None = None
) -> Encoder:
    """TC-CLIP's tower with random weights, full size unless ``config`` says otherwise: for timing and tests."""
    with torch.device("meta"):
        model = TcClip(config or TcClipConfig())
    model.to_empty(device="cpu").initialise(torch.Generator().manual_seed(seed)).eval().requires_grad_(False)
    statement = (
        f"TC-CLIP's architecture with random weights (seed {seed}), for timing: its features mean nothing."
    )
    return _ready("tc-clip-random", statement, None, model, device, dtype)


def _pretrained(weights: Path, device: torch.device, dtype: torch.dtype) -> Encoder:
    vision = read_vision_weights(weights)
    model = build_tc_clip(vision, None, str(weights))
    if vision.is_plain_clip:
        statement = (
            f"CLIP weights ({weights.name}) in TC-CLIP's tower, local/global attention biases zero: not the published "
            "TC-CLIP, which was trained further on Kinetics-400."
        )
    else:
        statement = (
            f"TC-CLIP's vision tower with the weights {weights.name}; TC-CLIP's checkpoints are CC BY-NC 4.0, and "
            "these features derive from them."
        )
    return _ready("tc-clip", statement, weights.name, model, device, dtype)


def _mini(device: torch.device, dtype: torch.dtype) -> Encoder:
    if not MINI_WEIGHTS.is_file():
        raise WeightsError(
            f"{MINI_WEIGHTS}: the mini encoder's weights are missing; reinstall the package, or train them again "
            f"with python -m benchmarks.train_mini --out {MINI_WEIGHTS.parent}"
        )
    description_path = MINI_WEIGHTS.with_suffix(".json")
    description = read_json(description_path)
    config = parse_config(TcClipConfig, description["config"], str(description_path))
    model = build_tc_clip(read_vision_weights(MINI_WEIGHTS), config, str(MINI_WEIGHTS))
    return _ready("mini", str(description["statement"]), None, model, device, dtype)


def _ready(
    name: EncoderName,
    statement: str,
    weights_file: str | None,
    model: TcClip,
    device: torch.device,
    dtype: torch.dtype,
) -> Encoder:
    """Put the tower where it computes; its identity is taken from the float32 weights, whatever file they were in."""
    identity = EncoderIdentity(
        name=name,
        architecture=model.config.model_dump(mode="json"),
        weights_sha256=sha256_of_tensors(model.state_dict()),
    )
    return Encoder(identity, statement, weights_file, model.to(device, dtype), device, dtype)
