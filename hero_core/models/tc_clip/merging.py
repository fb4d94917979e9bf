"""Token merging (ToMe, Bolya et al. 2023) as TC-CLIP uses it: a clip's many seeds become a few context tokens.

Which tokens merge is decided by sorting and matching, so a rounding difference can change the result visibly.
Every sort here is stable and every sum is a matrix product (no atomic adds): one numeric path, one result.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def merge_schedule(tokens: int, target: int, rate: int) -> list[int]:
    """How many tokens each step merges away, going from ``tokens`` to ``target``.

    ``rate`` per step, then the remainder; never more than half of the tokens that are left, because each merge
    pairs a token of one half with one of the other. Empty when there are at most ``target`` to begin with.
    """
    schedule = []
    while tokens > target:
        merged = min(rate, tokens // 2, tokens - target)
        schedule.append(merged)
        tokens -= merged
    return schedule


def merge_tokens(tokens: Tensor, target: int, rate: int) -> Tensor:
    """Merge each clip's tokens down to ``target`` by size-weighted means of the most alike.

    Args:
        tokens: ``(b, n, d)``; their order matters, as even positions are matched to odd ones.
        target: how many are left, at least 1.
        rate: how many to merge per step.

    Returns:
        ``(b, min(n, target), d)`` in the order of the last step: unmerged even tokens by falling similarity,
        then the odd ones.
    """
    values = tokens.to(torch.promote_types(tokens.dtype, torch.float32))
    groups = torch.cat([values, values.new_ones(*values.shape[:2], 1)], dim=-1)  # (b, n, d + 1)
    for merged in merge_schedule(tokens.shape[1], target, rate):
        groups = _merge_step(groups, merged)
    return (groups[..., :-1] / groups[..., -1:]).to(tokens.dtype)


def _merge_step(groups: Tensor, merged: int) -> Tensor:
    """Merge the ``merged`` even tokens most like an odd one into it: ``n`` tokens become ``n - merged``.

    A token is a group of the original ones, ``(b, n, d + 1)``: their sum, which points where their mean does, then
    how many they are.
    """
    directions = F.normalize(groups[..., :-1], dim=-1)
    similarity = directions[:, 0::2] @ directions[:, 1::2].mT  # (b, n_even, n_odd)
    best_similarity, best_odd = similarity.max(dim=-1)  # (b, n_even)
    order = best_similarity.argsort(dim=-1, descending=True, stable=True)
    even, odd = take(groups, 2 * order), groups[:, 1::2]

    # (b, n_odd, merged): column j marks the odd token into which the j-th leaving token goes.
    positions = torch.arange(odd.shape[1], device=odd.device)
    links = positions[:, None] == best_odd.gather(1, order[:, :merged])[:, None]
    joined = torch.baddbmm(odd, links.to(odd.dtype), even[:, :merged])
    return torch.cat([even[:, merged:], joined], dim=1)


def take(tokens: Tensor, index: Tensor) -> Tensor:
    """Row by row ``tokens[i, index[i]]``: ``(b, n, d)`` and ``(b, m)`` give ``(b, m, d)``."""
    rows = torch.arange(len(tokens), device=index.device)
    return tokens[rows[:, None], index]
