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
    sums = tokens.to(torch.promote_types(tokens.dtype, torch.float32))
    sizes = sums.new_ones(*sums.shape[:2], 1)
    for merged in merge_schedule(tokens.shape[1], target, rate):
        sums, sizes = _merge_step(sums, sizes, merged)
    return (sums / sizes).to(tokens.dtype)


def _merge_step(sums: Tensor, sizes: Tensor, merged: int) -> tuple[Tensor, Tensor]:
    """Merge the ``merged`` even tokens most like an odd one into it: ``n`` tokens become ``n - merged``.

    A token is the sum of its members ``(b, n, d)`` and their number ``(b, n, 1)``: the cosine of two sums is that of
    their means.
    """
    directions = F.normalize(sums, dim=-1)
    similarity = directions[:, 0::2] @ directions[:, 1::2].mT  # (b, n_even, n_odd)
    best_similarity, best_odd = similarity.max(dim=-1)  # (b, n_even)
    order = best_similarity.argsort(dim=-1, descending=True, stable=True)
    leaving, staying = order[:, :merged], order[:, merged:]

    # (b, n_odd, merged): column j marks the odd token into which the j-th leaving token goes.
    odd = torch.arange(similarity.shape[2], device=sums.device)
    links = (odd[:, None] == best_odd.gather(1, leaving)[:, None]).to(sums.dtype)

    def merge(tokens: Tensor) -> Tensor:  # (b, n, ...) -> (b, n - merged, ...)
        joined = torch.baddbmm(tokens[:, 1::2], links, take_tokens(tokens, 2 * leaving))
        return torch.cat([take_tokens(tokens, 2 * staying), joined], dim=1)

    return merge(sums), merge(sizes)


def take_tokens(tokens: Tensor, index: Tensor) -> Tensor:
    """``tokens[i, index[i]]`` for every i: ``(b, n, d)`` and ``(b, m)`` give ``(b, m, d)``, row by row."""
    b, n, _ = tokens.shape
    first = torch.arange(0, b * n, n, device=index.device)  # of every clip
    rows = tokens.flatten(0, 1).index_select(0, (index + first[:, None]).flatten())
    return rows.unflatten(0, index.shape)
