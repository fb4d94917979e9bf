from pathlib import Path

import pytest
import torch
from torch import Tensor

from hero_core.checkpoints import load_checkpoint
from hero_core.errors import InputError, WeightsError
from hero_core.models.codec import MotionCodec
from hero_core.models.rvq import RvqConfig

DIM = 80
SMALL = RvqConfig(motion_dim=DIM, width=24, code_dim=12, codebook_size=32, quantizers=3, depth=1, dropout=0.0)


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _motion(batch: int = 3, frames: int = 24) -> Tensor:
    """Slow waves of random phase, every dimension on its own scale."""
    phases = torch.rand(batch, 1, 1, generator=_rng(1)) * 6.28 + torch.linspace(0.0, 3.0, DIM)
    waves = torch.sin(phases + torch.arange(frames)[None, :, None] / 5)
    return waves * torch.linspace(0.1, 2.0, DIM) + torch.linspace(-1.0, 3.0, DIM)


def _codec(config: RvqConfig = SMALL) -> MotionCodec:
    torch.manual_seed(0)
    motion = _motion(batch=64)
    codec = MotionCodec(config, motion.mean((0, 1)), motion.std((0, 1)))
    codec.losses(motion, _rng())
    return codec.eval()


@pytest.fixture(scope="module")
def codec() -> MotionCodec:
    return _codec()


def test_tokens_end_with_the_motion(codec: MotionCodec) -> None:
    tokens = codec.encode(_motion(), torch.tensor([24, 11, 3]))
    assert codec.unit_length == 4
    assert tokens.shape == (3, 6, 3)
    assert ((tokens >= 0).all(-1).sum(1)).tolist() == [6, 2, 0]
    assert (tokens[1, 2:] == -1).all()


def test_what_lies_past_the_length_does_not_matter(codec: MotionCodec) -> None:
    motion, lengths = _motion(), torch.tensor([24, 12, 8])
    spoilt = motion.clone()
    spoilt[1, 12:] = 1e3
    assert torch.equal(codec.encode(motion, lengths), codec.encode(spoilt, lengths))


def test_padding_is_zero_after_normalisation(codec: MotionCodec) -> None:
    motion = _motion()
    motion[1, 12:] = codec.statistics.mean
    tokens = codec.encode(motion, torch.tensor([24, 12, 24]))
    expected = codec.vae.encode(codec.statistics.normalise(motion))
    assert torch.equal(tokens[1, :3], expected[1, :3])


def test_decoding_gives_back_units_and_zeroes_the_tail(codec: MotionCodec) -> None:
    motion, lengths = _motion(), torch.tensor([24, 12, 6])
    tokens = codec.encode(motion, lengths)
    official, ours = codec.decode(tokens), codec.decode(tokens, lengths)
    assert ours.shape == (3, 24, DIM)
    assert (ours[1, 12:] == 0).all()
    assert (ours[2, 6:] == 0).all()
    assert torch.equal(ours[0], official[0])
    assert (official[1, 12:] != 0).any()


def test_a_length_that_is_no_multiple_of_the_unit_is_refused(codec: MotionCodec) -> None:
    with pytest.raises(InputError, match="23 frames"):
        codec.encode(_motion(frames=23), torch.tensor([23, 23, 23]))


@torch.no_grad()
def test_total_loss_is_the_weighted_sum(codec: MotionCodec) -> None:
    losses = codec.losses(_motion())
    expected = losses["reconstruction"] + 0.5 * losses["local_positions"] + 0.02 * losses["commitment"]
    torch.testing.assert_close(losses["total"], expected)
    assert set(losses) == {"total", "reconstruction", "local_positions", "commitment", "perplexity"}


def test_training_brings_the_reconstruction_close() -> None:
    codec, motion, rng = _codec(), _motion(batch=16), _rng(2)
    optimizer = torch.optim.AdamW(codec.parameters(), lr=5e-3)
    before = codec.losses(motion)["reconstruction"].item()
    codec.train()
    for _ in range(30):
        optimizer.zero_grad()
        codec.losses(motion, rng)["total"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert codec.eval().losses(motion)["reconstruction"].item() < 0.3 * before


def test_a_loaded_codec_is_the_saved_one(codec: MotionCodec, tmp_path: Path) -> None:
    codec.save(tmp_path / "best", {"epoch": 3})
    loaded = MotionCodec.load(tmp_path / "best")
    assert not loaded.training
    assert loaded.config == codec.config
    assert all(torch.equal(loaded.state_dict()[name], t) for name, t in codec.state_dict().items())
    assert load_checkpoint(tmp_path / "best", "rvq").metadata == {"epoch": 3}


def test_fine_tuning_keeps_the_loaded_codebook(tmp_path: Path) -> None:
    trained = _codec().train()
    rng, motion = _rng(1), _motion(batch=64)
    for _ in range(5):
        trained.losses(motion, rng)
    trained.save(tmp_path / "best", {})
    loaded = MotionCodec.load(tmp_path / "best").train()
    before = loaded.vae.quantizer.codebooks[0].codebook.clone()
    loaded.losses(motion, _rng(4))
    trained.losses(motion, _rng(4))
    ours, expected = (model.vae.quantizer.codebooks[0].codebook for model in (loaded, trained))
    assert torch.equal(ours, expected)
    still = (ours - before).norm(dim=-1) < 0.2 * before.norm(dim=-1)
    assert still.float().mean() > 0.3


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no checkpoint"):
        MotionCodec.load(tmp_path)


def test_statistics_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="expected \\(80,\\)"):
        MotionCodec(SMALL, torch.zeros(79), torch.ones(79))
    with pytest.raises(InputError, match="positive"):
        MotionCodec(SMALL, torch.zeros(DIM), torch.zeros(DIM))
