"""The ``hero-pipeline`` command."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.markup import escape
from rich.table import Table

from hero_core.cache import Cache
from hero_core.cli import (
    EXIT_QUARANTINED,
    VersionOption,
    console,
    progress,
    run,
)
from hero_core.config import parse_config
from hero_core.device import DeviceName, choose_device
from hero_core.errors import ConfigError
from hero_core.exports import SUFFIXES, export, read_joints
from hero_core.mirror import Place
from hero_core.motion.skeleton import Unit, UpAxis
from hero_core.progress import duration
from hero_core.shards import ShardFormat
from hero_core.stores import shown
from pipeline.config import (
    WORKER_MEBIBYTES,
    Dtype,
    ExtractConfig,
    PairsConfig,
    StatisticsChoice,
    StorageDtype,
    default_workers,
)
from pipeline.data_page.cli import report_command
from pipeline.dry_run import Planned, dry_run
from pipeline.encoders import EncoderName, load_encoder
from pipeline.engines.work import Engine, local
from pipeline.extract import extract
from pipeline.merge import merge
from pipeline.minivimo import write_minivimo
from pipeline.motions import MotionConversion
from pipeline.pairs import PairsReport, build_pairs
from pipeline.repair import alone_with, plan_repair
from pipeline.report import ExtractReport, Remark
from pipeline.selection import Part, select
from pipeline.sources import Source, source_at
from pipeline.splits import SplitConfig
from pipeline.verify import verify

REASONS_SHOWN = 10
_FASTER = {
    "encoding": "a GPU (--device cuda)",
    "writing": "a faster disk of the cache",
    "waiting for Ray": "more machines, with GPUs if they encode",
}
EngineName = Literal["local", "ray"]

app = typer.Typer(
    help="Videos and motions in, shards out.", no_args_is_help=True, pretty_exceptions_enable=False
)

SourceArgument = Annotated[
    str,
    typer.Argument(
        help="A ViMo release folder (train.txt, test.txt), a CSV or parquet pair list or a folder with pairs.csv, a "
        "folder broad/subcategory/*.mp4, a HumanML3D folder, or a folder of motions; also "
        "s3:// or gs://."
    ),
]
DatasetOption = Annotated[
    Path | None,
    typer.Option("--dataset", help="Description of the data set (TOML); default SOURCE/dataset.toml."),
]
ColumnOption = Annotated[
    list[str] | None, typer.Option("--column", help="Column of the pair list, e.g. motion=motion_joints.")
]
RootOption = Annotated[
    list[Path] | None,
    typer.Option("--root", help="Another folder where listed files may lie; repeatable."),
]
WorkOption = Annotated[
    Path,
    typer.Option("--work", help="Where copies of what lives in an object store are kept; may be deleted."),
]
WORK = Path.home() / ".cache" / "hero"
READ, WRITTEN, SOURCES = "read", "written", "sources"
"""Folders in it, apart, so that who reads a cache takes nothing away from who is writing it."""


@app.callback()
def _hero_pipeline(version: VersionOption = False) -> None:
    """Say the version; the commands do the rest."""


def main() -> None:
    """Entry point."""
    run(app)


@app.command("demo-data")
def demo_data(
    out: Annotated[Path, typer.Argument(help="Folder to write MiniViMo into.")],
    clips: Annotated[int, typer.Option(min=1, help="How many videos.")] = 240,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another data set.")] = 0,
) -> None:
    """Write MiniViMo, a small procedural stand-in for ViMo: rendered clips and the reactions that fit them."""
    with progress("MiniViMo") as report:
        write_minivimo(out, clips=clips, seed=seed, report=report)
    console.print(f"MiniViMo (procedural, not ViMo): {clips} clips in {out}", highlight=False)


@app.command("extract")
def extract_command(
    context: typer.Context,
    source: SourceArgument,
    out: Annotated[
        str, typer.Argument(help="Folder for the cache, also s3:// or gs://; run again to go on.")
    ],
    encoder: Annotated[
        EncoderName, typer.Option(help="mini ships with HERO; tc-clip needs --weights.")
    ] = "mini",
    weights: Annotated[Path | None, typer.Option(help="TC-CLIP or CLIP weights, for tc-clip.")] = None,
    device: Annotated[DeviceName, typer.Option(help="Where the encoder runs.")] = "auto",
    dtype: Annotated[Dtype, typer.Option(help="Of the encoder's arithmetic.")] = "float32",
    storage_dtype: Annotated[StorageDtype, typer.Option(help="Of the features in the shards.")] = "float32",
    shards: Annotated[ShardFormat, typer.Option(help="WebDataset tar or HDF5.")] = "tar",
    clips_per_shard: Annotated[int, typer.Option(min=1)] = 64,
    batch_clips: Annotated[int | None, typer.Option(min=1, help="Default: 1 on the CPU, 8 on CUDA.")] = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="Apply the videos' rotation metadata.")] = False,
    motion_fps: Annotated[
        float | None, typer.Option(help="Frame rate of the motions, whatever their files state.")
    ] = None,
    up: Annotated[UpAxis | None, typer.Option(help="Vertical axis of the motions.")] = None,
    unit: Annotated[Unit | None, typer.Option(help="Unit of joint positions; default m.")] = None,
    body_model: Annotated[
        Path | None, typer.Option(help="SMPL-family model (.npz), for SMPL parameters.")
    ] = None,
    official_vectors: Annotated[
        bool, typer.Option("--official-vectors", help="Make vectors with the published code's yaw slip.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that read inputs; default: one for every core.")
    ] = None,
    retry_quarantined: Annotated[
        bool, typer.Option("--retry-quarantined", help="Try bad inputs again.")
    ] = False,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Compare contents even where size and time did not change.")
    ] = False,
    worker_mebibytes: Annotated[
        int, typer.Option(min=64, help="Memory that reading one input may take; more puts it in quarantine.")
    ] = WORKER_MEBIBYTES,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Key or path of an input, to do no other; repeatable.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many videos and so many motions.")
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            help="Only every N-th shard of the plan from the I-th on, written I/N, so that N machines share the work. "
            "Give each its own OUT; hero-pipeline merge makes of them the cache that one machine would have made.",
        ),
    ] = None,
    engine: Annotated[
        EngineName,
        typer.Option(help="Read and encode on this machine, or on a Ray cluster; to the same bytes."),
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Running Ray cluster, auto or HOST:PORT, whose machines all see SOURCE at the same path; default: one "
            "that is started here, with --workers CPUs."
        ),
    ] = None,
    would_do: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and how long it takes; write nothing.")
    ] = False,
    work: WorkOption = WORK,
    dataset: DatasetOption = None,
    column: ColumnOption = None,
    root: RootOption = None,
) -> None:
    """Make of every video its features and of every motion its vectors, once. Resumable and incremental."""
    place = choose_device(device)
    conversion = {
        "motion_fps": motion_fps,
        "up": up,
        "unit": unit,
        "body_model": body_model,
        "official": official_vectors,
    }
    config = parse_config(
        ExtractConfig,
        {
            "storage_dtype": storage_dtype,
            "shard_format": shards,
            "clips_per_shard": clips_per_shard,
            "batch_clips": batch_clips or (1 if place.type == "cpu" else 8),
            "rotate": rotate,
            "conversion": parse_config(MotionConversion, conversion, "command line"),
            "workers": workers or default_workers(),
            "retry_quarantined": retry_quarantined,
            "rehash": rehash,
            "worker_mebibytes": worker_mebibytes,
        },
        "command line",
    )
    folder, mirror = Place.of(out, work / (READ if would_do else WRITTEN))
    part = Part.parse(shard) if shard else None
    read = context.with_resource(source_at(source, work / SOURCES))
    opened = select(read.open(dataset, _columns(column), root or ()), only or (), limit)
    _print_source(opened)
    tower = load_encoder(encoder, weights, place, getattr(torch, dtype)) if opened.videos else None
    if tower is not None:
        console.print(f"encoder: {tower.statement}", highlight=False, markup=False, soft_wrap=True)
    if would_do:
        _print_plan(dry_run(opened, folder, tower, config, mirror, part))
        return
    if engine == "local":
        from pipeline.engines import sandbox  # looks for a library of the system

        console.print(f"sandbox: {sandbox.statement()}", highlight=False, markup=False, soft_wrap=True)
    with _started(engine, ray_address, config.workers) as place_of_work, progress("extract") as report:
        result = extract(opened, folder, tower, config, report, place_of_work, mirror, part)
    _print_extract(result, out)
    if result.quarantined + result.kept_quarantined:
        raise typer.Exit(EXIT_QUARANTINED)


@app.command("build-pairs")
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
    cache, mirror = Place.of(features, work / READ)
    read = context.with_resource(source_at(source, work / SOURCES))
    columns, roots = _as_extracted(read.name, Cache.open(cache, mirror))
    opened = read.open(dataset, _columns(column) or columns, root or roots)
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


@app.command("verify")
def verify_command(folder: Annotated[Path, typer.Argument(help="A cache or a training set.")]) -> None:
    """Check bytes, addresses, shapes, numbers, identities and counts against the manifest."""
    with progress("verify") as report:
        result = verify(folder, report)
    for problem in result.problems:
        console.print(f"[red]wrong[/] {problem.path}: {problem.what}", highlight=False, soft_wrap=True)
    verdict = (
        f"[red]{len(result.problems)} problems" if result.problems else "[green]all as the manifest says"
    )
    console.print(
        f"{result.kind}: {result.records} records in {result.shards} shards, {verdict}[/]", highlight=False
    )
    if result.problems:
        console.print(f"against damage: {result.remedy}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1)


app.command("report")(report_command)


@app.command("merge")
def merge_command(
    out: Annotated[
        str, typer.Argument(help="Folder for the joined cache, new or to add to, also s3:// or gs://.")
    ],
    caches: Annotated[list[str], typer.Argument(help="Caches, e.g. of extract --shard I/N; likewise.")],
    work: WorkOption = WORK,
) -> None:
    """Join caches into one, e.g. those of machines that shared the work. Run again, it adds what is new."""
    with progress("merge") as report:
        places = [Place.of(cache, work / READ) for cache in caches]
        done = merge(places, Place.of(out, work / WRITTEN), report)
    for note in done.notes:
        console.print(f"[yellow]note[/]: {escape(note)}", highlight=False, soft_wrap=True)
    console.print(
        f"{shown(out)}: {done.rows} rows and {done.shards} shards added, {done.kept} rows were there already",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@app.command("repair")
def repair_command(
    folder: Annotated[Path, typer.Argument(help="A cache.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be dropped, and stop.")] = False,
) -> None:
    """Drop what is damaged in a cache, so that the next extract makes it again; what is sound stays."""
    with alone_with(folder), progress("repair") as report:
        repair = plan_repair(folder, report)
        for line in repair.lines():
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        if repair.needed and not dry_run:
            repair.apply()
    if not repair.needed:
        console.print(f"[green]nothing is damaged[/]: {repair.kept} rows", highlight=False)
    elif not dry_run:
        console.print(
            f"{repair.kept} rows kept; now run: hero-pipeline extract SOURCE {folder}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


@app.command("export")
def export_command(
    motion: Annotated[Path, typer.Argument(help="A reaction's .npz, or a .npy of vectors or joints.")],
    out: Annotated[list[Path], typer.Argument(help=f"Files that end in {', '.join(SUFFIXES.values())}.")],
    fps: Annotated[float | None, typer.Option(help="Of joints, where the file does not say it; 20.")] = None,
    unit: Annotated[Unit, typer.Option(help="Of lengths in a .bvh.")] = "m",
    rigid: Annotated[
        bool, typer.Option("--rigid", help="Bones of a .bvh keep their length, where exact or not.")
    ] = False,
    body_model: Annotated[
        Path | None, typer.Option(help="SMPL-family model (.npz) to fit an .smpl.npz to.")
    ] = None,
) -> None:
    """Write a motion as files for animation tools, engines and spreadsheets (docs/exports.md)."""
    joints, rate = read_joints(motion, fps)
    for path in out:
        exported = export(joints, path, rate, unit=unit, rigid=rigid, body_model=body_model)
        console.print(str(exported), highlight=False, markup=False, soft_wrap=True)


def _started(name: EngineName, ray_address: str | None, workers: int) -> AbstractContextManager[Engine]:
    """An engine that ends with the context."""
    if name == "local":
        if ray_address is not None:
            raise ConfigError("--ray-address: goes with --engine ray")
        return nullcontext(local)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault(
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"
    )  # as Ray's next version will; else it warns
    from pipeline.engines.ray import ray_engine

    return ray_engine(ray_address, workers)


def _as_extracted(source: str, cache: Cache) -> tuple[dict[str, str], list[Path]]:
    """How extract was told to read this source; nothing where it read another one."""
    recorded = cache.description["source"]
    if recorded["opened"] != source:
        return {}, []
    return recorded["columns"], [Path(root) for root in recorded["roots"]]


def _columns(options: list[str] | None) -> dict[str, str]:
    columns = {}
    for option in options or []:
        name, separator, column = option.partition("=")
        if not separator or not name or not column:
            raise ConfigError(f"--column {option!r}: write it as FIELD=COLUMN, e.g. video=clip")
        columns[name] = column
    return columns


def _print_source(source: Source) -> None:
    counts = f"{len(source.videos)} videos, {len(source.motions)} motions"
    console.print(f"source: {source.name}, {counts}. {source.statement}", highlight=False, soft_wrap=True)
    for note in source.notes:
        console.print(f"  note: {note}", highlight=False, markup=False, soft_wrap=True)


def _print_extract(result: ExtractReport, out: str) -> None:
    quarantined = result.quarantined + result.kept_quarantined
    console.print(
        f"{result.inputs} inputs: {result.ok} extracted, {result.kept} kept from before, "
        f"{quarantined} in quarantine",
        highlight=False,
        soft_wrap=True,
    )
    _print_seconds(result.seconds)
    _print_remarks("quarantined", result.reasons.values())
    _print_remarks("warning", result.warnings.values())
    for note in result.notes:
        console.print(f"  note: {note}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"cache: {shown(out)}", highlight=False, soft_wrap=True)
    if quarantined:
        console.print(
            f"what is not ok: {shown(out).rstrip('/')}/quarantine.csv", highlight=False, soft_wrap=True
        )


def _print_seconds(by_stage: Mapping[str, float]) -> None:
    """Where the time went, and which stage all others waited for."""
    if not by_stage:
        return
    slowest = max(by_stage, key=lambda stage: by_stage[stage])
    share = by_stage[slowest] / sum(by_stage.values())
    times = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in by_stage.items())
    console.print(f"  time: {times}", highlight=False, soft_wrap=True)
    faster = _FASTER.get(slowest, "more --workers, or a faster disk of the source")
    console.print(
        f"  bottleneck: {slowest}, {share:.0%} of it; what helps: {faster}", highlight=False, soft_wrap=True
    )


def _print_plan(planned: Sequence[Planned]) -> None:
    for each in planned:
        kind = {"features": "videos", "motions": "motions"}[each.kind]
        line = f"would do {each.todo} of {each.inputs} {kind}, {each.kept_quarantined} stay in quarantine"
        if each.todo and each.seconds is None:
            line += "; how long is not known: this cache has none of them yet"
        elif each.todo and each.seconds is not None:
            line += (
                f"; about {duration(each.seconds)} at {each.seconds_each:.3g} s each, as before in this cache"
            )
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _print_remarks(title: str, remarks: Iterable[Remark]) -> None:
    commonest = sorted(remarks, key=lambda remark: -remark.count)
    for remark in commonest[:REASONS_SHOWN]:
        files = ", ".join(remark.files) + (", ..." if remark.count > len(remark.files) else "")
        line = f"  {title} {remark.count} x {remark.text}: {files}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if len(commonest) > REASONS_SHOWN:
        console.print(f"  and {len(commonest) - REASONS_SHOWN} other kinds of {title}", highlight=False)


def _print_pairs(result: PairsReport, out: Path) -> None:
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
        console.print(f"  lost {count} x {reason}", highlight=False, markup=False, soft_wrap=True)
    if result.videos_alone:
        console.print(f"{result.videos_alone} videos without a motion stay in the cache", highlight=False)
    if result.leaking_sources:
        console.print(
            f"[yellow]this data set's own split has {len(result.leaking_sources)} source videos in several parts: "
            f"{', '.join(result.leaking_sources[:5])}",
            highlight=False,
        )
    console.print(
        f"Mean.npy and Std.npy: {result.statistics_from}", highlight=False, markup=False, soft_wrap=True
    )
    for note in result.notes:
        console.print(f"  note: {note}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"training set: {out}", highlight=False, soft_wrap=True)
