import pytest
import torch
from pydantic import ValidationError

from hero_core.errors import InputError
from hero_core.models.tokenizers.coder import ResidualBlock, ResidualBlocks, Twice
from hero_core.models.tokenizers.rvq import RvqNetwork
from hero_core.models.tokenizers.rvq_config import RvqConfig

SMALL = RvqConfig(motion_dim=70, width=16, code_dim=8, codebook_size=12, quantizers=3, depth=2)


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _motion(batch: int = 2, frames: int = 20) -> torch.Tensor:
    return torch.randn(batch, frames, 70, generator=_rng())


@pytest.fixture(scope="module")
def network() -> RvqNetwork:
    torch.manual_seed(0)
    network = RvqNetwork(SMALL)
    network(_motion(batch=8), _rng())
    return network.eval()


def test_defaults_are_the_official_sizes() -> None:
    with torch.device("meta"):
        network = RvqNetwork(RvqConfig())
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes["encoder.model.0.weight"] == (512, 263, 3)
    assert shapes["encoder.model.3.1.model.2.conv1.weight"] == (512, 512, 3)
    assert shapes["decoder.model.6.weight"] == (263, 512, 3)
    assert shapes["quantizer.layers.5.codebook"] == (512, 512)
    assert RvqConfig().unit_length == 4


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValidationError):
        RvqConfig(quantizers=0)
    with pytest.raises(ValidationError):
        RvqConfig(dropout=1.0)


def test_shapes(network: RvqNetwork) -> None:
    tokens = network.encode(_motion())
    assert tokens.shape == (2, 5, 3)
    assert network.decode(tokens).shape == (2, 20, 70)
    assert network.encode_latents(_motion()).shape == (2, 5, 8)


@torch.no_grad()
def test_forward_is_decode_of_encode(network: RvqNetwork) -> None:
    output = network(_motion())
    assert torch.equal(output.tokens, network.encode(_motion()))
    torch.testing.assert_close(output.reconstruction, network.decode(output.tokens))


@pytest.mark.parametrize("frames", [0, 3, 21, 22])
def test_a_length_that_is_no_multiple_of_the_unit_is_refused(network: RvqNetwork, frames: int) -> None:
    with pytest.raises(InputError, match=f"motion of {frames} frames.*multiple of 4"):
        network.encode(_motion(frames=frames))


def test_dilations_fall_from_the_largest_to_one() -> None:
    blocks = ResidualBlocks(RvqConfig(width=4)).model
    dilations = [block.conv1.dilation for block in blocks if isinstance(block, ResidualBlock)]
    assert dilations == [(9,), (3,), (1,)]


def test_twice_the_frame_rate_repeats_every_frame() -> None:
    frames = torch.arange(3.0)[:, None, None].expand(3, 2, 4)
    assert Twice()(frames)[:, 1, 2].tolist() == [0, 0, 1, 1, 2, 2]


@torch.no_grad()
def test_a_batch_is_coded_as_its_members_alone(network: RvqNetwork) -> None:
    together = network.encode(_motion(batch=3))
    alone = torch.cat([network.encode(motion[None]) for motion in _motion(batch=3)])
    assert torch.equal(together, alone)


@torch.no_grad()
def test_empty_tokens_are_not_zero_motion(network: RvqNetwork) -> None:
    assert network.decode(torch.full((1, 2, 3), -1)).abs().max() > 1e-3


@torch.no_grad()
def test_missing_columns_are_empty_columns(network: RvqNetwork) -> None:
    tokens = network.encode(_motion())
    emptied = tokens.clone()
    emptied[..., 1:] = -1
    torch.testing.assert_close(network.decode(tokens[..., :1]), network.decode(emptied))


def test_dropout_is_active_in_training_only() -> None:
    torch.manual_seed(0)
    network = RvqNetwork(SMALL)
    network.train()
    assert not torch.equal(network.encode_latents(_motion()), network.encode_latents(_motion()))
    network.eval()
    assert torch.equal(network.encode_latents(_motion()), network.encode_latents(_motion()))
