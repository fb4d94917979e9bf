"""Runs: what others trained, read once, and only together with what it was trained with."""

from pathlib import Path

import pytest
import torch

from hero_core import runs
from hero_core.errors import ConfigError, FingerprintError, InputError, ManifestError, WeightsError
from hero_core.fingerprint import sha256_of_tensors
from hero_core.models.base import VideoFeatures
from hero_core.models.checkpoint import load_network, save_network
from hero_core.models.evaluator import EvaluatorConfig, MotionEvaluator
from hero_core.models.generators.hero import Hero, HeroSampling, MaskedTransformer, ResidualTransformer
from hero_core.models.generators.hero.length import LengthConfig, LengthHead
from hero_core.models.generators.hero.masked import MaskedConfig
from hero_core.models.generators.hero.residual import ResidualConfig
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.runs import (
    ENCODED_BY_KEY,
    checkpoint_path,
    describe_run,
    find_checkpoint,
    generator_of,
    load_evaluator,
    load_generator,
    load_run,
)
from hero_core.storage import read_json, write_json

TRANSFORMER = {
    "codebook_size": 8,
    "code_dim": 12,
    "latent_dim": 16,
    "ff_size": 24,
    "layers": 1,
    "heads": 2,
    "feature_dim": 16,
    "intention_heads": 2,
}


def make_tokenizer(seed: int = 0) -> RvqTokenizer:
    torch.manual_seed(seed)
    return RvqTokenizer(RvqConfig(width=8, code_dim=12, codebook_size=8, quantizers=3, depth=1))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    tokenizer = make_tokenizer()
    save_network(checkpoint_path(tmp_path, "rvq"), tokenizer, {})
    metadata = {ENCODED_BY_KEY: sha256_of_tensors(tokenizer.state_dict()), "data": {"name": "toy"}}
    for which in ("best", "last"):
        masked = MaskedTransformer(MaskedConfig.model_validate(TRANSFORMER))
        save_network(checkpoint_path(tmp_path, "masked", which), masked, metadata)
        residual = ResidualTransformer(ResidualConfig.model_validate({**TRANSFORMER, "quantizers": 3}))
        save_network(checkpoint_path(tmp_path, "residual", which), residual, metadata)
    describe_run(tmp_path, "hero")
    return tmp_path


def test_a_run_generates(run: Path) -> None:
    loaded = load_run(run, sampling=["steps=2", "temperature=0"])
    hero = loaded.generator
    assert isinstance(hero, Hero)
    assert not any(module.training for module in hero.modules())
    assert hero.sampling == HeroSampling(steps=2, temperature=0)
    assert list(loaded.origins) == ["rvq", "masked", "residual"]
    assert loaded.data == {"name": "toy"}
    frames = torch.randn(1, 4, 16)
    video = VideoFeatures(frames, frames.mean(dim=1), torch.arange(4)[None] / 4)
    motion = load_generator(run).generate(video, torch.tensor([16]), torch.Generator()).motion
    assert motion.shape == (1, 16, 263)


def test_a_run_chooses_lengths_once_it_has_the_part_that_does(run: Path) -> None:
    frames = torch.randn(2, 4, 16)
    video = VideoFeatures(frames, frames.mean(dim=1), torch.arange(4).expand(2, 4) / 4)
    without = load_run(run)
    assert not without.generator.chooses_length
    with pytest.raises(InputError, match="hero-train length DATA --out RUN"):
        without.generator.generate(video, None, torch.Generator())
    given = without.generator.generate(video, torch.tensor([16, 8]), torch.Generator().manual_seed(0))

    head = LengthHead(LengthConfig(width=8, max_tokens=60, feature_dim=16, intention_heads=2))
    save_network(checkpoint_path(run, "length"), head, {"data": {"name": "another"}})
    loaded = load_run(run)
    assert loaded.generator.chooses_length
    assert list(loaded.origins) == ["rvq", "masked", "residual", "length"]
    assert loaded.data == {"name": "toy"}
    chosen = loaded.generator.generate(video, None, torch.Generator())
    assert (chosen.lengths // 4).tolist() == head.eval().choose(video).clamp(max=50).tolist()
    again = loaded.generator.generate(video, torch.tensor([16, 8]), torch.Generator().manual_seed(0))
    assert torch.equal(given.motion, again.motion)


def test_a_run_samples_as_it_was_set_down_unless_told_otherwise(run: Path) -> None:
    assert load_generator(run).sampling == HeroSampling()
    describe_run(run, "hero", sampling={"guidance_scale": 2.0, "steps": 12})
    assert load_generator(run).sampling == HeroSampling(guidance_scale=2, steps=12)
    told = load_generator(run, sampling=["steps=3"])
    assert told.sampling == HeroSampling(guidance_scale=2, steps=3)
    describe_run(run, "hero", sampling={"guidance": 2.0})
    with pytest.raises(ConfigError, match=r"run\.json.*guidance: no such setting; did you mean"):
        load_run(run)


def test_every_checkpoint_is_read_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def count(path: Path, cls: type) -> object:
        read.append(path)
        return load_network(path, cls)

    monkeypatch.setattr(runs, "load_network", count)
    load_run(run)
    assert read == [checkpoint_path(run, part) for part in ("rvq", "masked", "residual")]


def test_best_and_last_are_told_apart_and_the_tokenizer_is_always_the_best(run: Path) -> None:
    for which in ("best", "last"):
        stored, _ = load_network(checkpoint_path(run, "masked", which), MaskedTransformer)
        loaded = load_run(run, which)
        assert isinstance(loaded.generator, Hero)
        expected, found = stored.state_dict(), loaded.generator.masked.state_dict()
        assert all(torch.equal(expected[name], found[name]) for name in expected)
        assert loaded.origins["rvq"].path == checkpoint_path(run, "rvq", "best")


def test_parts_trained_with_another_tokenizer_are_refused(run: Path) -> None:
    save_network(checkpoint_path(run, "rvq"), make_tokenizer(seed=1), {})
    with pytest.raises(
        FingerprintError, match=r"masked.best\.safetensors: trained with rvq .*Train this part again"
    ):
        load_run(run)


def test_parts_of_an_unknown_tokenizer_are_refused(run: Path) -> None:
    path = checkpoint_path(run, "residual")
    residual, _ = load_network(path, ResidualTransformer)
    save_network(path, residual, {})
    with pytest.raises(FingerprintError, match=rf"residual.best\.safetensors.*{ENCODED_BY_KEY}"):
        load_run(run)


def test_what_is_missing_is_named_with_the_command_that_makes_it(run: Path, tmp_path: Path) -> None:
    checkpoint_path(run, "masked").unlink()
    with pytest.raises(WeightsError, match=r"masked.best\.safetensors: missing; .*hero-train masked"):
        load_run(run)
    with pytest.raises(WeightsError, match="no run here; train one with hero-train all"):
        load_run(tmp_path / "absent")
    with pytest.raises(WeightsError, match=r"trained evaluator \(evaluator/best\.safetensors\)"):
        load_evaluator(run)


def test_an_evaluator_is_found_in_a_run_in_its_folder_and_as_a_file(run: Path) -> None:
    config = EvaluatorConfig(movement_hidden=4, movement_dim=4, motion_hidden=4, embedding_dim=4)
    path = checkpoint_path(run, "evaluator")
    save_network(path, MotionEvaluator(config), {"data": {"name": "toy"}})
    for source in (run, path.parent, path):
        evaluator, origin = load_evaluator(source)
        assert not evaluator.training
        assert (origin.path, origin.metadata) == (path, {"data": {"name": "toy"}})
        assert find_checkpoint(source, "evaluator") == path


def test_unknown_sampling_settings_are_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="stepz"):
        load_run(run, sampling=["stepz=2"])


def test_what_was_noted_of_a_run_stays(tmp_path: Path) -> None:
    assert generator_of(tmp_path) is None
    describe_run(tmp_path, "hero", imported={"source": "x"})
    describe_run(tmp_path, "hero", parts_from="y")
    assert generator_of(tmp_path) == "hero"
    noted = read_json(tmp_path / "run.json")
    assert (noted["imported"], noted["parts_from"]) == ({"source": "x"}, "y")


def test_runs_of_other_versions_and_unknown_generators_are_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"schema": "hero-run/1", "generator": "hero"})
    with pytest.raises(ManifestError, match="version 'hero-run/1'.*train it anew: hero-train all"):
        generator_of(tmp_path)
    describe_run(tmp_path, "nobody")
    with pytest.raises(ConfigError, match="no generator is called 'nobody'"):
        load_run(tmp_path)
    old = tmp_path / "old"
    (old / "rvq" / "best").mkdir(parents=True)
    (old / "rvq" / "best" / "checkpoint.json").write_text("{}")
    with pytest.raises(ManifestError, match="earlier version.*train it anew: hero-train all"):
        load_run(old)
