"""``hero-pipeline build-pairs``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from hero_core.choices import ShardFormat
from hero_core.cli import EXIT_QUARANTINED, console, progress, say
from hero_core.errors import ConfigError
from pipeline.choices import StatisticsChoice
from pipeline.commands.shared import (
    READ,
    REASONS_SHOWN,
    SOURCES,
    WORK,
    ColumnOption,
    DatasetOption,
    RootOption,
    SourceArgument,
    WorkOption,
    columns_of,
)

if TYPE_CHECKING:
    from hero_core.cache import Cache
    from pipeline.pairs import PairsReport


def build_pairs_command(
    context: typer.Context,
    source: SourceArgument,
    features: Annotated[
        str, typer.Option(help="Cache that hero-pipeline extract wrote, also s3:// or gs://.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the training set.")],
    test_share: Annotated[float, typer.Option(min=0, max=1, help="Of each subcategory.")] = 0.2,
    val_share: Annotated[float, typer.Option(min=0, max=1, help="Of the training part.")] = 0.1,
    unseen: Annotated[
        list[str] | None, typer.Option(help="Subcategory to hold out whole; repeatable.")
    ] = None,
    unseen_protocol: Annotated[
        bool, typer.Option("--unseen-protocol", help="Hold out what dataset.toml names as unseen.")
    ] = False,
    resplit: Annotated[
        bool, typer.Option("--resplit", help="Split anew, whatever split the data set states.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the split.")] = 0,
    statistics: Annotated[
        StatisticsChoice,
        typer.Option(
            help="Mean.npy and Std.npy: those the data set ships, if it does, or those of the training motions."
        ),
    ] = "shipped",
    shards: Annotated[ShardFormat, typer.Option(help="WebDataset tar or HDF5.")] = "tar",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a training set of other settings.")
    ] = False,
    work: WorkOption = WORK,
    dataset: DatasetOption = None,
    column: ColumnOption = None,
    root: RootOption = None,
) -> None:
    """Pair cached features with cached motions, split, and write training shards. Converts nothing."""
    from hero_core.cache import Cache
    from hero_core.mirror import Place
    from pipeline.config import PairsConfig
    from pipeline.pairs import build_pairs
    from pipeline.sources import source_at
    from pipeline.splits import SplitConfig

    cache, mirror = Place.of(features, work / READ)
    read = context.with_resource(source_at(source, work / SOURCES))
    columns, roots = _as_extracted(read.name, Cache.open(cache, mirror))
    opened = read.open(dataset, columns_of(column) or columns, root or roots)
    held_out = tuple(unseen or ()) + (opened.description.unseen_subcategories if unseen_protocol else ())
    if unseen_protocol and not held_out:
        raise ConfigError(
            "--unseen-protocol: dataset.toml names no unseen_subcategories; name them with --unseen"
        )
    split = SplitConfig(
        test_share=test_share, val_share=val_share, unseen=held_out, resplit=resplit, seed=seed
    )
    config = PairsConfig(split=split, shard_format=shards, statistics=statistics, overwrite=overwrite)
    with progress("build-pairs") as report:
        result = build_pairs(opened, cache, out, config, report, mirror)
    _print_pairs(result, out)
    if result.lost:
        raise typer.Exit(EXIT_QUARANTINED)


def _as_extracted(source: str, cache: "Cache") -> tuple[dict[str, str], list[Path]]:
    """How extract was told to read this source; nothing where it read another one."""
    recorded = cache.description["source"]
    if recorded["opened"] != source:
        return {}, []
    return recorded["columns"], [Path(root) for root in recorded["roots"]]


def _print_pairs(result: "PairsReport", out: Path) -> None:
    table = Table("split", "pairs")
    for split in ("train", "val", "test"):
        table.add_row(split, str(result.pairs[split]))
    console.print(table)
    console.print(
        f"{result.listed} pairs listed = {result.pairs.total()} written + {result.lost} lost",
        highlight=False,
        soft_wrap=True,
    )
    for reason, count in result.reasons.most_common(REASONS_SHOWN):
        say(f"  lost {count} x {reason}")
    if result.videos_alone:
        console.print(f"{result.videos_alone} videos without a motion stay in the cache", highlight=False)
    if result.leaking_sources:
        console.print(
            f"[yellow]this data set's own split has {len(result.leaking_sources)} source videos in several parts: "
            f"{', '.join(result.leaking_sources[:5])}",
            highlight=False,
        )
    say(f"Mean.npy and Std.npy: {result.statistics_from}")
    for note in result.notes:
        say(f"  note: {note}")
    console.print(f"training set: {out}", highlight=False, soft_wrap=True)
