import pytest
import torch
from torch import Tensor

from hero_core.models.tc_clip.merging import merge_schedule, merge_tokens


@pytest.mark.parametrize(
    ("tokens", "target", "rate", "schedule"),
    [
        (928, 96, 100, [100] * 8 + [32]),  # HERO's: 16 frames of 58 seeds
        (76, 12, 20, [20, 20, 18, 6]),  # capped at half of what is left
        (7, 1, 100, [3, 2, 1]),
        (5, 5, 100, []),
        (4, 96, 100, []),
    ],
)
def test_the_schedule_is_a_constant_rate_then_the_remainder(tokens, target, rate, schedule):
    assert merge_schedule(tokens, target, rate) == schedule


def test_any_schedule_ends_at_the_target():
    for tokens in range(1, 60):
        for rate in (1, 3, 100):
            assert tokens - sum(merge_schedule(tokens, 7, rate)) == min(tokens, 7)


def naive_merge(tokens: Tensor, target: int, rate: int) -> Tensor:
    """One clip, token by token: the definition, slowly."""
    members = [(value, 1) for value in tokens]
    for merged in merge_schedule(len(members), target, rate):
        even, odd = members[0::2], members[1::2]
        best = []
        for value, _ in even:
            similarities = [float(torch.cosine_similarity(value, other, dim=0)) for other, _ in odd]
            best.append(max(range(len(odd)), key=similarities.__getitem__))
        similarity = [
            float(torch.cosine_similarity(even[i][0], odd[j][0], dim=0)) for i, j in enumerate(best)
        ]
        order = sorted(range(len(even)), key=lambda i: -similarity[i])
        sums = [value * size for value, size in odd]
        sizes = [size for _, size in odd]
        for i in order[:merged]:
            sums[best[i]] = sums[best[i]] + even[i][0] * even[i][1]
            sizes[best[i]] += even[i][1]
        means = [(total / size, size) for total, size in zip(sums, sizes, strict=True)]
        members = [even[i] for i in order[merged:]] + means
    return torch.stack([value for value, _ in members])


@pytest.mark.parametrize(("count", "target", "rate"), [(20, 6, 4), (21, 5, 100), (9, 1, 2), (6, 8, 3)])
def test_a_batch_gives_what_the_definition_gives_clip_by_clip(count, target, rate):
    tokens = torch.randn(3, count, 5, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    merged = merge_tokens(tokens, target, rate)
    assert merged.shape == (3, min(count, target), 5)
    torch.testing.assert_close(merged, torch.stack([naive_merge(clip, target, rate) for clip in tokens]))


def test_one_token_is_the_mean_of_all():
    tokens = torch.randn(2, 33, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(merge_tokens(tokens, 1, 5)[:, 0], tokens.mean(dim=1))


def test_tokens_alike_merge_before_others():
    twins = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.3, -1.0]])
    merged = merge_tokens(twins.unsqueeze(0), 3, 1)[0]
    torch.testing.assert_close(merged, torch.tensor([[0.0, 1.0], [1.5, 0.0], [0.3, -1.0]]))


def test_ties_keep_their_order():
    # All even tokens are equally like the first odd one; the first of them merges.
    tokens = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [0.0, 1.0], [5.0, 0.0], [0.0, 2.0]]])
    merged = merge_tokens(tokens, 5, 1)
    assert merged[0].tolist() == [[3.0, 0.0], [5.0, 0.0], [1.5, 0.0], [0.0, 1.0], [0.0, 2.0]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_dtype_stays(dtype):
    tokens = torch.randn(1, 12, 4, generator=torch.Generator().manual_seed(2)).to(dtype)
    assert merge_tokens(tokens, 5, 3).dtype == dtype


def test_gradients_reach_every_token():
    tokens = torch.randn(2, 14, 4, generator=torch.Generator().manual_seed(3)).requires_grad_()
    merge_tokens(tokens, 4, 5).sum().backward()
    assert (tokens.grad.abs().sum(dim=-1) > 0).all()
