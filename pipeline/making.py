"""Makes planned shards, one after another: what engines bring is written, then the rows that point into it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial

from hero_core.cache import Cache, Kind
from hero_core.progress import Progress
from hero_core.shards import ShardWriter, open_writer
from pipeline.config import ExtractConfig
from pipeline.earlier import Earlier
from pipeline.engines.local import ItemLimits
from pipeline.engines.work import Engine, Finished, Recipe, Work
from pipeline.plan import PlannedShard
from pipeline.report import ExtractReport
from pipeline.shard import ShardContent
from pipeline.workers import Input, Outcome, files_read_for, kill_seconds_of


class Making:
    """Brings a cache up to date, shard by shard."""

    def __init__(
        self, cache: Cache, config: ExtractConfig, state: ExtractReport, engine: Engine, report: Progress
    ) -> None:
        """Take the cache and how it is made; ``state`` is kept, and ``report`` told how many inputs have their row."""
        self._cache, self._config, self._state = cache, config, state
        self._engine, self._report = engine, report
        self._content: ShardContent | None = None  # of the shard that is being made

    def make(self, recipe: Recipe, shards: Sequence[PlannedShard], earlier: Earlier) -> None:
        """Make shards of one plan; ``earlier`` is what is older than it."""
        if not shards:
            return
        inputs = self._inputs(recipe, shards, earlier)
        work = Work(
            recipe=recipe,
            batches=[batch for batches in inputs for batch in batches],
            workers=self._config.workers,
            limits=ItemLimits(
                seconds=self._config.kill_seconds,
                mebibytes=self._config.worker_mebibytes,
                seconds_of=partial(kill_seconds_of, limits=self._config.limits),
                files_of=partial(files_read_for, body_model=self._config.conversion.body_model),
            ),
            is_made=self._is_made,
            timed=self._state.timed,
        )
        with closing(self._engine(work)) as results:
            for shard, batches in zip(shards, inputs, strict=True):
                name = f"{recipe.kind}-{shard.number:05d}.{self._config.shard_format}"
                self._content = ShardContent(name, recipe, earlier)
                self._make_one(recipe.kind, shard.number, self._content, batches, results)

    def _inputs(
        self, recipe: Recipe, shards: Sequence[PlannedShard], earlier: Earlier
    ) -> list[list[Sequence[Input]]]:
        """Of every shard its batches."""
        wanted = {key for shard in shards for key in shard.keys}
        listed = [item for item in recipe.inputs if item.key in wanted]
        by_key = {
            item.key: item for item in earlier.with_known_content(listed, self._config.retry_quarantined)
        }
        return [_batches([by_key[key] for key in shard.keys], recipe.batch) for shard in shards]

    def _is_made(self, outcome: Outcome) -> bool:
        return self._content is not None and self._content.is_made(outcome)

    def _make_one(
        self,
        kind: Kind,
        number: int,
        content: ShardContent,
        batches: Sequence[Sequence[Input]],
        results: Iterator[Finished],
    ) -> None:
        path = self._cache.shard_path(content.name)
        with open_writer(path) as writer:
            for batch in batches:
                self._write(writer, content, [next(results) for _ in batch])
            closing_began = time.monotonic()
        if content.is_empty:
            path.unlink()
        self._cache.write_part(kind, number, content.finish(path))
        self._state.seconds["writing"] += time.monotonic() - closing_began

    def _write(self, writer: ShardWriter, content: ShardContent, finished: Sequence[Finished]) -> None:
        with self._state.timed("writing"):
            for outcome, record in finished:
                made = content.add(outcome, record)
                if made is not None:
                    writer.write(made)
                self._state.count(content.rows[-1])
        self._report(self._state.done, self._state.inputs, f"{self._state.quarantined} quarantined")


def _batches(items: Sequence[Input], size: int) -> list[Sequence[Input]]:
    """Parts of ``size`` items, the last one of what is left."""
    return [items[start : start + size] for start in range(0, len(items), size)]
