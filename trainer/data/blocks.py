"""The order of samples that are read shard after shard: shuffled block by block. Index logic, which reads nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np

from trainer.data.draws import Draw, Indices, Order

_SHARDS, _BLOCK = 3, 4  # separate streams of random numbers; draws.py has the ones before


class Block(NamedTuple):
    """Motions that are in memory together, and the draws from among them.

    Attributes:
        epoch: that it is of.
        motions: ``(n,)``, in the order in which they are read.
        times: ``(n,)``, how often each is drawn.
        places: ``(draws,)``, in the order in which they are drawn.
    """

    epoch: int
    motions: Indices
    times: Indices
    places: Indices


@dataclass(frozen=True, eq=False)
class StreamedOrder(Order):
    """The order of samples that come from shards read one after another, each from front to back.

    Every epoch reads the shards in another order. So many motions after another are a block, whose places are drawn
    in random order before the next one's. All that is a pure function of the seed, the epoch, the shards' sizes and
    the buffer, so that a run can go on at any step: it reads what is left to draw of one block.

    Attributes:
        firsts: see :class:`Places`.
        shards: the motions of each, in the order in which they stand in it.
        buffer: most motions in a block.
    """

    firsts: Indices
    shards: Sequence[Indices]
    buffer: int

    @property
    def identity(self) -> Mapping[str, str]:
        """See :class:`Order`."""
        return {"reading": "streaming", "shuffle_buffer": str(self.buffer)}

    @cached_property
    def places_in_block(self) -> int:
        """In the mean."""
        return -(-self.samples // self._blocks)

    def draws(self, start_step: int) -> Iterator[Draw]:
        """The batches after the first ``start_step`` ones, without end."""
        for epoch, blocks in groupby(self.blocks(start_step), lambda block: block.epoch):
            left = np.empty(0, np.int64)
            for block in blocks:
                left = np.concatenate([left, block.places])
                while len(left) >= self.batch_size:
                    yield Draw(epoch, left[: self.batch_size])
                    left = left[self.batch_size :]
            if len(left):  # fewer samples than a batch
                yield Draw(epoch, left)

    def blocks(self, start_step: int) -> Iterator[Block]:
        """What is drawn of each block after the first ``start_step`` batches, without end."""
        epoch, skip = divmod(start_step, self.steps_per_epoch)
        begin, end = skip * self.batch_size, self.steps_per_epoch * self.batch_size
        while True:
            ends = 0
            for number, motions in enumerate(self._read_together(epoch)):
                starts, ends = ends, ends + int(self._counts[motions].sum())
                if begin < ends and starts < end:
                    places = self._shuffled(epoch, number, motions)[max(0, begin - starts) : end - starts]
                    yield self._block(epoch, motions, places)
            epoch, begin = epoch + 1, 0

    @cached_property
    def _counts(self) -> Indices:
        """Places of each motion."""
        return np.diff(self.firsts)

    @cached_property
    def _blocks(self) -> int:
        """In an epoch; they are of one size, as a small last one would not be shuffled well."""
        return -(-int(np.count_nonzero(self._counts)) // self.buffer)

    def _read_together(self, epoch: int) -> list[Indices]:
        """The motions of each block, in the order in which they are read."""
        shards = np.random.default_rng([_SHARDS, self.seed, epoch]).permutation(len(self.shards))
        motions = np.concatenate([self.shards[shard] for shard in shards])
        return np.array_split(motions[self._counts[motions] > 0], self._blocks)

    def _shuffled(self, epoch: int, block: int, motions: Indices) -> Indices:
        """All places of a block, in the order in which they are drawn."""
        counts = self._counts[motions]
        before = np.cumsum(counts) - counts
        places = np.repeat(self.firsts[motions] - before, counts) + np.arange(counts.sum())
        return np.random.default_rng([_BLOCK, self.seed, epoch, block]).permutation(places)

    def _block(self, epoch: int, motions: Indices, places: Indices) -> Block:
        drawn, times = np.unique(np.searchsorted(self.firsts, places, side="right") - 1, return_counts=True)
        read = motions[np.isin(motions, drawn)]
        return Block(epoch, read, times[np.searchsorted(drawn, read)], places)
