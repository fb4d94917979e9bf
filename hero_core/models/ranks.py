"""Processes that train one part together: each computes its share of every batch, and all make the same step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from hero_core.errors import HeroError

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; every method but :meth:`own` has to be called by all of them.

    All have the same batch and the same explicit random numbers. A part computes with its own rows, and its losses are
    such that their mean over the ranks is what one process alone would compute; so is the mean of the gradients.

    Attributes:
        group: what they talk through; None for a process alone, to which all of this costs nothing.
    """

    group: dist.ProcessGroup | None = None

    @property
    def rank(self) -> int:
        """Which one this is, from 0 on."""
        return 0 if self.group is None else self.group.rank()

    @property
    def world(self) -> int:
        """How many there are."""
        return 1 if self.group is None else self.group.size()

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and talks to people."""
        return self.rank == 0

    def own(self, rows: Tensor) -> Tensor:
        """This rank's share ``(n, ...)`` of rows ``(world * n, ...)``, which all ranks have."""
        if self.group is None:
            return rows
        size = len(rows) // self.world
        return rows[self.rank * size : (self.rank + 1) * size]

    def gather(self, own: Tensor) -> Tensor:
        """The rows ``(world * n, ...)`` of all ranks, of which ``own`` ``(n, ...)`` is this one's share.

        The gradient is right where every rank goes on to compute the same loss from all rows.
        """
        if self.group is None:
            return own
        rows: Tensor = _Gather.apply(own, self)  # type: ignore[no-untyped-call]
        return rows

    def average_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each of some tensors of one kind by its mean over the ranks, bit for bit the same on all."""
        if self.group is None:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat, group=self.group)
        flat /= self.world
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, fact: bool) -> bool:
        """Whether it is so on one of the ranks; waits for all of them."""
        if self.group is None:
            return fact
        count = torch.tensor(int(fact))
        dist.all_reduce(count, group=self.group)
        return bool(count)

    def wait(self) -> None:
        """For all ranks to come here."""
        self.any(False)

    def on_first(self, compute: Callable[[], T]) -> T:
        """What the first rank computes while the others wait. Where it finds something wrong, that is raised on all."""
        if self.group is None:
            return compute()
        outcome: list[Any] = [None]
        if self.first:
            try:
                outcome = [compute()]
            except HeroError as error:
                outcome = [error]
        dist.broadcast_object_list(outcome, src=0, group=self.group, device=torch.device("cpu"))
        if isinstance(outcome[0], HeroError):
            raise outcome[0]
        result: T = outcome[0]
        return result


ALONE = Ranks()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        rows = own.new_empty(ranks.world * len(own), *own.shape[1:])
        dist.all_gather(list(rows.chunk(ranks.world)), own.contiguous(), group=ranks.group)
        return rows

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # the ranks have the same gradient, of which each has its part, and the mean over them is taken at the end
        return ctx.ranks.own(gradient) * ctx.ranks.world, None
