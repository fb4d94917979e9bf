import copy
import json

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from benchmarks import train_mini
from benchmarks.mini_clips import SIDES, render_clip
from benchmarks.train_mini import (
    SHORT,
    TOWER,
    MiniTraining,
    Probes,
    ProbeWeights,
    Stage,
    finish,
    new_tower,
    probe_losses,
    train_stage,
)
from hero_core.minivimo.interactions import REACTIONS
from hero_core.models.tc_clip.tower import TcClip, TcClipConfig
from hero_core.models.tc_clip.weights import build_tc_clip, read_vision_weights
from hero_core.progress import silent
from pipeline.decode.transforms import normalise
from pipeline.encoders import MINI_WEIGHTS


@pytest.fixture(scope="module")
def tower() -> TcClip:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_mini, "WHITENING_CLIPS", 6)
        return new_tower(MiniTraining())


def test_both_stages_train_the_same_weights():
    assert TcClip(SHORT).state_dict().keys() == TcClip(TOWER).state_dict().keys()
    assert SHORT.seeds * SHORT.frames > SHORT.context_tokens


@pytest.mark.skipif(
    not hasattr(torch.optim, "Muon"), reason="the script needs torch.optim.Muon, of torch 2.9"
)
def test_a_stage_changes_the_tower_and_the_probes_in_place(tower):
    probes = Probes(TOWER.out_dim)
    before = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    stages = (Stage(clips="short", steps=2, easy_share=0.5),)
    train_stage(tower, probes, 0, MiniTraining(stages=stages, batch_clips=1, warmup_steps=1), 0, silent)
    changed = [name for name, tensor in tower.state_dict().items() if not torch.equal(tensor, before[name])]
    assert len(changed) > 0.9 * len(before)
    assert all(weight.abs().sum() > 0 for weight in probes.weights.values())


def test_the_first_projection_whitens_patches(tower):
    clip = render_clip(123, 1, 16, TOWER.image_size)
    pixels = torch.from_numpy(normalise(clip.frames))
    patches = torch.nn.functional.conv2d(pixels, tower.conv1.weight, stride=TOWER.patch_size)
    deviations = patches.transpose(0, 1).flatten(1).std(dim=1)
    raw = pixels.unfold(2, 16, 16).unfold(3, 16, 16).transpose(0, 1).flatten(0).std()
    assert deviations.min() > 0.02
    assert deviations.max() < 10 * raw


def test_what_is_written_is_read_again_and_its_features_have_unit_deviation(tower, tmp_path, monkeypatch):
    monkeypatch.setattr(train_mini, "_score", lambda *_: {"reaction_accuracy": 0.5})
    training = MiniTraining(batch_clips=1)
    written = copy.deepcopy(tower)
    finish(written, Probes(TOWER.out_dim), training, tmp_path, silent)
    description = json.loads((tmp_path / "mini.json").read_text())
    assert description["held_out"] == {"reaction_accuracy": 0.5}
    config = TcClipConfig.model_validate(description["config"])
    read = build_tc_clip(read_vision_weights(tmp_path / "mini.safetensors"), config, "test")
    assert all(torch.equal(read.state_dict()[name], value) for name, value in written.state_dict().items())
    clips = [render_clip(training.train_seed, index, 16, TOWER.image_size).frames for index in (1, 2)]
    with torch.no_grad():
        features = read(torch.from_numpy(np.stack([normalise(clip) for clip in clips])))
    assert features.shape == (2, TOWER.frames, TOWER.out_dim)
    assert 0.3 < features.flatten(0, 1).std(dim=0).median() < 3


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
    untrained = Probes(8)(torch.randn(4, 16, 8))
    losses = probe_losses(untrained, examples, ProbeWeights())
    assert losses["reaction"].item() == pytest.approx(np.log(len(REACTIONS)), rel=1e-4)


def test_every_training_seed_has_clips_of_its_own():
    seeds = [
        s
        for seed in range(4)
        for s in (MiniTraining(seed=seed).train_seed, MiniTraining(seed=seed).held_out_seed)
    ]
    assert len(set(seeds)) == 8
    assert min(seeds) >= train_mini.FIRST_DATA_SEED


def test_the_shipped_weights_say_how_they_were_made():
    description = json.loads(MINI_WEIGHTS.with_suffix(".json").read_text())
    training = dict(description["training"])
    seeds = training.pop("minivimo_seeds")
    assert seeds["train"] == MiniTraining.model_validate(training).train_seed
    assert description["config"] == TOWER.model_dump(mode="json")
    assert "MiniViMo" in description["statement"]
    assert description["held_out"]["reaction_accuracy"] >= 0.9
    assert MINI_WEIGHTS.stat().st_size <= 5_000_000
