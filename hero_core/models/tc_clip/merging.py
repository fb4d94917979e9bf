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
    sizes = values.new_ones(*values.shape[:2], 1)
    for merged in merge_schedule(tokens.shape[1], target, rate):
        values, sizes = _merge_step(values, sizes, merged)
    return values.to(tokens.dtype)


def _merge_step(values: Tensor, sizes: Tensor, merged: int) -> tuple[Tensor, Tensor]:
    """Merge the ``merged`` even tokens most like an odd one into it: ``n`` tokens become ``n - merged``."""
    even, odd = values[:, 0::2], values[:, 1::2]
    even_sizes, odd_sizes = sizes[:, 0::2], sizes[:, 1::2]

    similarity = F.normalize(even, dim=-1) @ F.normalize(odd, dim=-1).mT  # (b, n_even, n_odd)
    best_similarity, best_odd = similarity.max(dim=-1)  # (b, n_even)
    order = best_similarity.argsort(dim=-1, descending=True, stable=True)
    leaving, staying = order[:, :merged], order[:, merged:]

    # (b, n_odd, merged): column j marks the odd token into which the j-th leaving token goes.
    links = F.one_hot(best_odd.gather(1, leaving), odd.shape[1]).to(values.dtype).mT
    leaving_sizes = _take(even_sizes, leaving)
    merged_sizes = odd_sizes + links @ leaving_sizes
    merged_values = (odd * odd_sizes + links @ (_take(even, leaving) * leaving_sizes)) / merged_sizes
    return (
        torch.cat([_take(even, staying), merged_values], dim=1),
        torch.cat([_take(even_sizes, staying), merged_sizes], dim=1),
    )


def _take(tokens: Tensor, index: Tensor) -> Tensor:
    """``tokens[i, index[i]]`` for every clip i: ``(b, n, d)`` and ``(b, m)`` give ``(b, m, d)``."""
    return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
