from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hero_core.errors import ConfigError, InputError
from hero_core.models.base import Batch, TrainingFacts
from hero_core.models.checkpoint import load_network, save_network
from hero_core.models.tokenizers.rvq import RvqNetwork, RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.statistics import MotionStatistics

DIM = 263
SMALL = RvqConfig(width=24, code_dim=12, codebook_size=32, quantizers=3, depth=1, dropout=0.0)


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _motion(batch: int = 3, frames: int = 24) -> Tensor:
    """Slow waves of random phase, every dimension on its own scale."""
    phases = torch.rand(batch, 1, 1, generator=_rng(1)) * 6.28 + torch.linspace(0.0, 3.0, DIM)
    waves = torch.sin(phases + torch.arange(frames)[None, :, None] / 5)
    return waves * torch.linspace(0.1, 2.0, DIM) + torch.linspace(-1.0, 3.0, DIM)


def _batch(motion: Tensor) -> Batch:
    return Batch(tuple(map(str, range(len(motion)))), torch.full((len(motion),), motion.shape[1]), motion)


def _facts(motion: Tensor) -> TrainingFacts:
    statistics = MotionStatistics(motion.mean((0, 1)).numpy(), motion.std((0, 1)).numpy())
    return TrainingFacts(statistics, feature_dim=0, longest_frames=motion.shape[1], parts={})


def _tokenizer() -> RvqTokenizer:
    torch.manual_seed(0)
    motion = _motion(batch=64)
    tokenizer = RvqTokenizer.build(SMALL, _facts(motion))
    tokenizer.losses(_batch(motion), _rng())
    return tokenizer.eval()


@pytest.fixture(scope="module")
def tokenizer() -> RvqTokenizer:
    return _tokenizer()


def test_tokens_end_with_the_motion(tokenizer: RvqTokenizer) -> None:
    tokens = tokenizer.encode(_motion(), torch.tensor([24, 11, 3]))
    assert tokenizer.unit_length == 4
    assert tokens.shape == (3, 6, 3)
    assert ((tokens >= 0).all(-1).sum(1)).tolist() == [6, 2, 0]
    assert (tokens[1, 2:] == -1).all()


def test_what_lies_past_the_length_does_not_matter(tokenizer: RvqTokenizer) -> None:
    motion, lengths = _motion(), torch.tensor([24, 12, 8])
    spoilt = motion.clone()
    spoilt[1, 12:] = 1e3
    assert torch.equal(tokenizer.encode(motion, lengths), tokenizer.encode(spoilt, lengths))


def test_padding_is_zero_after_normalisation(tokenizer: RvqTokenizer) -> None:
    motion = _motion()
    motion[1, 12:] = tokenizer.normalisation.mean
    tokens = tokenizer.encode(motion, torch.tensor([24, 12, 24]))
    expected = tokenizer.network.encode(tokenizer.normalisation(motion))
    assert torch.equal(tokens[1, :3], expected[1, :3])


def test_decoding_gives_back_units_and_zeroes_the_tail(tokenizer: RvqTokenizer) -> None:
    motion, lengths = _motion(), torch.tensor([24, 12, 6])
    tokens = tokenizer.encode(motion, lengths)
    official, ours = tokenizer.decode(tokens), tokenizer.decode(tokens, lengths)
    assert ours.shape == (3, 24, DIM)
    assert (ours[1, 12:] == 0).all()
    assert (ours[2, 6:] == 0).all()
    assert torch.equal(ours[0], official[0])
    assert (official[1, 12:] != 0).any()


def test_motions_of_a_batch_are_decoded_as_if_alone() -> None:
    torch.manual_seed(1)
    tokenizer = RvqTokenizer(SMALL.model_copy(update={"depth": 3})).eval()  # dilations reach past every end
    for layer in tokenizer.network.quantizer.codebooks:
        torch.nn.init.normal_(layer.codebook)
    tokens = torch.randint(SMALL.codebook_size, (5, 30, 3), generator=_rng())  # past the lengths too
    lengths = torch.tensor([30, 1, 17, 2, 29])
    motion = tokenizer.decode_each(tokens, lengths)
    assert motion.shape == (5, 120, DIM)
    for row, length in enumerate(lengths.tolist()):
        alone = tokenizer.decode(tokens[row : row + 1, :length])[0]
        torch.testing.assert_close(motion[row, : 4 * length], alone, atol=1e-5, rtol=0)
        assert not motion[row, 4 * length :].any()
    padded = tokenizer.decode(tokens, 4 * lengths)
    assert (padded - motion).abs().max() > 1e-2  # the padding does reach the last frames otherwise


def test_a_length_that_is_no_multiple_of_the_unit_is_refused(tokenizer: RvqTokenizer) -> None:
    with pytest.raises(InputError, match="23 frames"):
        tokenizer.encode(_motion(frames=23), torch.tensor([23, 23, 23]))


@torch.no_grad()
def test_total_loss_is_the_weighted_sum(tokenizer: RvqTokenizer) -> None:
    losses = tokenizer.losses(_batch(_motion()))
    expected = losses["reconstruction"] + 0.5 * losses["local_positions"] + 0.02 * losses["commitment"]
    torch.testing.assert_close(losses["total"], expected)
    assert set(losses) == {"total", "reconstruction", "local_positions", "commitment", "perplexity"}


def test_training_brings_the_reconstruction_close() -> None:
    tokenizer, motion, rng = _tokenizer(), _batch(_motion(batch=16)), _rng(2)
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=5e-3)
    before = tokenizer.losses(motion)["reconstruction"].item()
    tokenizer.train()
    for _ in range(30):
        optimizer.zero_grad()
        tokenizer.losses(motion, rng)["total"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert tokenizer.eval().losses(motion)["reconstruction"].item() < 0.3 * before


def test_training_works_in_mixed_precision() -> None:
    tokenizer, motion = _tokenizer().train(), _batch(_motion(batch=16))
    with torch.autocast("cpu", torch.bfloat16):
        losses = tokenizer.losses(motion, _rng(2))
    losses["total"].backward()  # type: ignore[no-untyped-call]
    exact = _tokenizer().train().losses(motion, _rng(2))
    assert losses["reconstruction"].item() == pytest.approx(exact["reconstruction"].item(), rel=0.02)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in tokenizer.network.parameters())


def test_a_loaded_tokenizer_is_the_saved_one(tokenizer: RvqTokenizer, tmp_path: Path) -> None:
    save_network(tmp_path / "best.safetensors", tokenizer, {"epoch": 3})
    loaded, origin = load_network(tmp_path / "best.safetensors", RvqTokenizer)
    assert not loaded.training
    assert loaded.config == tokenizer.config
    assert all(torch.equal(loaded.state_dict()[name], t) for name, t in tokenizer.state_dict().items())
    assert origin.metadata == {"epoch": 3}


def test_fine_tuning_keeps_the_loaded_codebook(tmp_path: Path) -> None:
    trained = _tokenizer().train()
    rng, motion = _rng(1), _batch(_motion(batch=64))
    for _ in range(5):
        trained.losses(motion, rng)
    save_network(tmp_path / "last.safetensors", trained, {})
    loaded = load_network(tmp_path / "last.safetensors", RvqTokenizer)[0].train()
    before = loaded.network.quantizer.codebooks[0].codebook.clone()
    loaded.losses(motion, _rng(4))
    trained.losses(motion, _rng(4))
    ours, expected = (model.network.quantizer.codebooks[0].codebook for model in (loaded, trained))
    assert torch.equal(ours, expected)
    still = (ours - before).norm(dim=-1) < 0.2 * before.norm(dim=-1)
    assert still.float().mean() > 0.3


def test_only_tokens_of_four_frames_of_this_width_are_built() -> None:
    with pytest.raises(ConfigError, match=r"rvq\.model\.downsamplings"):
        RvqTokenizer.build(SMALL.model_copy(update={"downsamplings": 3}), _facts(_motion()))
    with pytest.raises(InputError, match="statistics of 263 dimensions, expected 80"):
        RvqTokenizer.build(SMALL.model_copy(update={"motion_dim": 80}), _facts(_motion()))


def test_normalising_by_the_training_motions_gives_zero_mean_and_unit_variance() -> None:
    motion = _motion(batch=64)
    normalisation = RvqTokenizer.build(SMALL, _facts(motion)).normalisation
    normalised = normalisation(motion).flatten(0, 1)
    torch.testing.assert_close(normalised.mean(0), torch.zeros(DIM), rtol=0, atol=1e-4)
    torch.testing.assert_close(normalised.std(0), torch.ones(DIM), rtol=0, atol=1e-3)
    torch.testing.assert_close(normalisation.inverse(normalisation(motion)), motion, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("depth", "growth"), [(1, 3), (2, 3), (3, 2)])
def test_a_token_sees_so_far_and_no_further(depth: int, growth: int) -> None:
    torch.manual_seed(0)
    config = RvqConfig(
        width=8, code_dim=4, codebook_size=4, quantizers=1, depth=depth, dilation_growth=growth
    )
    network = RvqNetwork(config).double()
    motion = torch.randn(1, 160, config.motion_dim, dtype=torch.float64, requires_grad=True)
    token = 20
    (gradient,) = torch.autograd.grad(network.encode_latents(motion)[0, token].sum(), motion)
    seen = gradient[0].abs().sum(dim=-1).nonzero()[:, 0]
    first = token * config.unit_length
    assert (
        first + config.reach_frames - 2 * config.unit_length < int(seen.max()) <= first + config.reach_frames
    )


def test_zeros_beyond_what_the_last_token_sees_change_nothing() -> None:
    torch.manual_seed(0)
    config = RvqConfig(width=16, code_dim=8, codebook_size=32, quantizers=2, depth=2)
    tokenizer = RvqTokenizer(config).double().eval()
    nn.init.normal_(tokenizer.network.quantizer.codebooks[0].codebook)
    lengths = torch.tensor([40, 24])
    motion = torch.randn(2, 200, config.motion_dim, dtype=torch.float64)
    enough = (40 + config.reach_frames) // 4 * 4
    assert enough < 200
    shorter = tokenizer.encode(motion[:, :enough], lengths)
    assert torch.equal(shorter[:, :10], tokenizer.encode(motion, lengths)[:, :10])
