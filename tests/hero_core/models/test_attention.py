import torch
from torch import nn

from hero_core.models.attention import Attention, attention_bias
from hero_core.models.padding import valid_mask
from hero_core.models.rotary import Rotation


def test_a_bias_hides_what_is_not_valid_and_its_rows_are_aligned():
    valid = valid_mask(torch.tensor([5, 2, 3]), 5)
    bias = attention_bias(valid, torch.float32)
    assert bias.shape == (3, 1, 1, 5)
    assert torch.equal(bias[:, 0, 0] == 0, valid)
    assert bias[:, 0, 0][~valid].isneginf().all()
    assert bias.stride(0) % 16 == 0


class NoDropout(nn.Identity):
    """Has attention computed as with dropout, and drops nothing."""

    p = 0.5


def test_by_hand_and_by_the_fused_kernel_attention_is_the_same():
    attention = Attention(16, 4, dropout=0.0)
    inputs, bias = torch.randn(2, 5, 48), attention_bias(valid_mask(torch.tensor([5, 2]), 5), torch.float32)
    fused = attention.gather_own(inputs, bias)
    attention.dropout = NoDropout()
    torch.testing.assert_close(attention.gather_own(inputs, bias), fused)


def test_what_is_hidden_does_not_matter():
    attention, valid = Attention(16, 4, dropout=0.0), valid_mask(torch.tensor([5, 2]), 5)
    inputs = torch.randn(2, 5, 48)
    changed = inputs.masked_fill(~valid[..., None], 7.0)
    bias = attention_bias(valid, torch.float32)
    one, other = attention.gather_own(inputs, bias), attention.gather_own(changed, bias)
    torch.testing.assert_close(one[valid], other[valid])
    assert not torch.allclose(one[~valid], other[~valid])  # they ask otherwise themselves


def test_attention_is_that_of_torch():
    ours, theirs = Attention(16, 4, dropout=0.0), torch.nn.MultiheadAttention(16, 4, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.inputs.weight,
            "in_proj_bias": ours.inputs.bias,
            "out_proj.weight": ours.out.weight,
            "out_proj.bias": ours.out.bias,
        }
    )
    queries, context = torch.randn(2, 3, 16), torch.randn(2, 6, 16)
    torch.testing.assert_close(ours(queries, context), theirs(queries, context, context)[0])


def test_the_weights_are_those_that_values_are_gathered_with():
    attention = Attention(16, 4, dropout=0.0)
    when = Rotation.of(torch.tensor([0.1, 0.9, 1.7]), 4)
    memory = attention.look_at(torch.randn(2, 5, 16))
    query = torch.randn(2, 3, 16)
    weights = attention.weights(query, memory, when)
    assert weights.shape == (2, 4, 3, 5)
    gathered = torch.einsum("bhnt,bhte->bnhe", weights, memory.values).flatten(2)
    torch.testing.assert_close(gathered, attention.gather(query, memory, when=when))
