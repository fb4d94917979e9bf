"""Tests of hero_core.models.blocks, against torch's own layer."""

import pytest
import torch
from torch import Tensor, nn

from hero_core.models.attention import attention_bias
from hero_core.models.blocks import Block, bias_of
from hero_core.models.padding import valid_mask

WIDTH, HEADS, FF = 12, 3, 20


def torchs_layer(block: Block, norm_first: bool) -> nn.TransformerEncoderLayer:
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, FF, 0.0, "gelu", batch_first=True, norm_first=norm_first
    ).eval()
    names = {
        "self_attn.in_proj_": "attention.inputs.",
        "self_attn.out_proj.": "attention.out.",
        "linear1.": "feed_forward.0.",
        "linear2.": "feed_forward.3.",
        "norm1.": "attention_norm.",
        "norm2.": "feed_forward_norm.",
    }
    ours = block.state_dict()
    state = {theirs + kind: ours[own + kind] for theirs, own in names.items() for kind in ("weight", "bias")}
    layer.load_state_dict(state)
    return layer


@pytest.fixture(params=[False, True], ids=["post-norm", "pre-norm"])
def both(request: pytest.FixtureRequest) -> tuple[Block, nn.TransformerEncoderLayer]:
    torch.manual_seed(0)
    block = Block(WIDTH, HEADS, FF, 0.3, request.param).eval()
    return block, torchs_layer(block, request.param)


def test_padding_is_not_seen(both: tuple[Block, nn.TransformerEncoderLayer]) -> None:
    block, layer = both
    x, valid = torch.randn(2, 6, WIDTH), valid_mask(torch.tensor([6, 4]), 6)
    found = block(x, attention_bias(valid, x.dtype))
    expected = layer(x, src_key_padding_mask=~valid)
    torch.testing.assert_close(found[valid], expected[valid])


def test_any_rule_of_who_sees_whom(both: tuple[Block, nn.TransformerEncoderLayer]) -> None:
    block, layer = both
    x, causal = torch.randn(2, 6, WIDTH), torch.ones(6, 6, dtype=torch.bool).tril()
    found = block(x, bias_of(causal.expand(2, -1, -1), x.dtype))
    torch.testing.assert_close(found, layer(x, src_mask=~causal))


def test_every_weight_learns(both: tuple[Block, nn.TransformerEncoderLayer]) -> None:
    block = both[0].train()
    output: Tensor = block(torch.randn(2, 5, WIDTH))
    output.square().sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())
