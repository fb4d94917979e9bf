import json

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from hero_core.models.features import VideoFeatures
from hero_core.models.tc_clip import TcClip
from pipeline import mini_encoder
from pipeline.encoders import MINI_WEIGHTS
from pipeline.mini_clips import REACTIONS, SIDES, render_clip
from pipeline.mini_encoder import (
    SHORT,
    TOWER,
    MiniTraining,
    Probes,
    ProbeWeights,
    Stage,
    new_tower,
    probe_losses,
    train_stage,
)


@pytest.fixture(scope="module")
def tower() -> TcClip:
    return new_tower(MiniTraining())


def test_both_stages_train_the_same_weights():
    assert TcClip(SHORT).state_dict().keys() == TcClip(TOWER).state_dict().keys()
    assert SHORT.seeds * SHORT.frames > SHORT.context_tokens


def test_a_stage_changes_the_tower_and_the_probes_in_place(tower):
    probes = Probes(TOWER.out_dim)
    before = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    lines: list[str] = []
    stages = (Stage(clips="short", steps=2, easy_share=0.5),)
    train_stage(tower, probes, 0, MiniTraining(stages=stages, batch_clips=2, warmup_steps=1), 0, lines.append)
    changed = [name for name, tensor in tower.state_dict().items() if not torch.equal(tensor, before[name])]
    assert len(changed) > 0.9 * len(before)
    assert all(weight.abs().sum() > 0 for weight in probes.weights.values())


def test_the_first_projection_whitens_patches(tower):
    clip = render_clip(123, 1, 16, TOWER.image_size)
    pixels = torch.from_numpy(mini_encoder.normalise(clip.frames))
    patches = torch.nn.functional.conv2d(pixels, tower.conv1.weight, stride=TOWER.patch_size)
    deviations = patches.transpose(0, 1).flatten(1).std(dim=1)
    raw = pixels.unfold(2, 16, 16).unfold(3, 16, 16).transpose(0, 1).flatten(0).std()
    assert deviations.min() > 0.02
    assert deviations.max() < 10 * raw


def test_right_answers_cost_less():
    examples = default_collate([render_clip(7, index, 16, 32).example() for index in range(4)])
    answers = {
        name: torch.nn.functional.one_hot(getattr(examples, name), classes).float() * 20
        for name, classes in (
            ("reaction", len(REACTIONS)),
            ("side", len(SIDES)),
            ("shown_reaction", len(REACTIONS) + 1),
            ("shown_side", len(SIDES)),
            ("phase", 3),
        )
    } | {"onset": examples.onset.unsqueeze(-1)}
    assert all(loss < 1e-3 for loss in probe_losses(answers, examples, ProbeWeights()).values())
    untrained = Probes(8)(VideoFeatures(torch.randn(4, 16, 8), torch.randn(4, 8)))
    losses = probe_losses(untrained, examples, ProbeWeights())
    assert losses["reaction"].item() == pytest.approx(np.log(len(REACTIONS)), rel=1e-4)


def test_every_training_seed_has_clips_of_its_own():
    seeds = [
        s
        for seed in range(4)
        for s in (MiniTraining(seed=seed).train_seed, MiniTraining(seed=seed).held_out_seed)
    ]
    assert len(set(seeds)) == 8
    assert min(seeds) >= mini_encoder.FIRST_DATA_SEED


def test_the_shipped_weights_say_how_they_were_made():
    description = json.loads(MINI_WEIGHTS.with_suffix(".json").read_text())
    training = dict(description["training"])
    seeds = training.pop("minivimo_seeds")
    assert seeds["train"] == MiniTraining.model_validate(training).train_seed
    assert description["config"] == TOWER.model_dump(mode="json")
    assert "MiniViMo" in description["statement"]
    assert description["held_out"]["reaction_accuracy"] >= 0.9
    assert MINI_WEIGHTS.stat().st_size <= 5_000_000
