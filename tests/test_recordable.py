"""A GPU can record the steps of every generator's parts: they are operations on the device alone.

There need not be a GPU: a tensor without contents refuses whatever would wait for a device, and whatever mixes it with
a tensor of the CPU.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from hero_core.models.base import Batch, TrainingFacts, VideoFeatures, generator_class, generator_names
from hero_core.models.tokenizers.codebook import Codebook
from hero_core.motion.format import FRAMES_PER_TOKEN, MAX_FRAMES, MOTION_DIM
from hero_core.motion.statistics import MotionStatistics
from trainer.config import load_train_config
from trainer.preset_files import presets

META = torch.device("meta")
BATCH, FEATURE_DIM, SAMPLED_FRAMES = 4, 512, 16


def parts() -> Iterator[tuple[str, str]]:
    for kind in generator_names():
        if "demo" in presets(kind):
            yield from ((kind, name) for name in generator_class(kind).parts)


def built(kind: str, upto: str) -> dict[str, Any]:
    """The parts of a generator's demo preset up to one of them."""
    config, made = load_train_config(kind, "demo"), {}
    statistics = MotionStatistics(np.zeros(MOTION_DIM, np.float32), np.ones(MOTION_DIM, np.float32))
    for name, part in generator_class(kind).parts.items():
        earlier = {} if part.encoded_by is None else {part.encoded_by: made[part.encoded_by]}
        facts = TrainingFacts(statistics, FEATURE_DIM, MAX_FRAMES, earlier)
        made[name] = part.build(config.section(name).model, facts)
        if name == upto:
            break
    return made


def batch_of(part: Any, made: dict[str, Any]) -> Batch:
    """As a GPU gets it: shapes that do not follow from what is in it."""
    frames = 5 * FRAMES_PER_TOKEN if part.trained_on == "windows" else MAX_FRAMES
    motion = torch.zeros(BATCH, frames, MOTION_DIM)
    lengths = torch.full((BATCH,), frames)
    condition = encoded = None
    if part.trained_on == "pairs":
        shown = torch.zeros(BATCH, SAMPLED_FRAMES, FEATURE_DIM)
        condition = VideoFeatures(shown, shown[:, 0], shown[..., 0])
    if part.encoded_by is not None:
        with torch.no_grad():
            encoded = made[part.encoded_by].eval().encode(motion, lengths)
    keys = tuple(map(str, range(BATCH)))
    most_tokens = BATCH * MAX_FRAMES // FRAMES_PER_TOKEN
    return Batch(keys, lengths, None if part.encoded_by else motion, condition, encoded, most_tokens).to(META)


@pytest.mark.parametrize(("kind", "name"), list(parts()))
def test_a_step_asks_nothing_of_the_device(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)  # which does not know this device
    made = built(kind, name)
    part, batch = made[name], batch_of(made[name], made)
    assert part.recordable
    for codebook in (each for each in part.modules() if isinstance(each, Codebook)):
        codebook._has_codes = True  # asked once, in the steps that come before the recording
    losses = part.to(META).train().losses(batch, torch.Generator())
    losses["total"].backward()
    assert losses["total"].shape == ()
    assert all(weight.grad is not None for weight in part.parameters() if weight.requires_grad)
