"""``hero-pipeline extract``."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hero_core.choices import DeviceName, ShardFormat, Unit, UpAxis
from hero_core.cli import EXIT_QUARANTINED, console, progress, say
from hero_core.errors import ConfigError
from hero_core.progress import duration
from pipeline.choices import WORKER_MEBIBYTES, Dtype, EncoderName, EngineName, StorageDtype
from pipeline.commands.shared import (
    READ,
    REASONS_SHOWN,
    SOURCES,
    WORK,
    WRITTEN,
    ColumnOption,
    DatasetOption,
    RootOption,
    SourceArgument,
    WorkOption,
    columns_of,
)

if TYPE_CHECKING:
    from pipeline.dry_run import Planned
    from pipeline.engines.work import Engine
    from pipeline.report import ExtractReport, Remark
    from pipeline.sources import Source

_FASTER = {
    "encoding": "a GPU (--device cuda)",
    "writing": "a faster disk of the cache",
    "waiting for Ray": "more machines, with GPUs if they encode",
}


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
    import torch

    from hero_core.config import parse_config
    from hero_core.device import choose_device
    from hero_core.mirror import Place
    from pipeline.config import ExtractConfig, default_workers
    from pipeline.dry_run import dry_run
    from pipeline.encoders import load_encoder
    from pipeline.extract import extract
    from pipeline.motions import MotionConversion
    from pipeline.selection import Part, select
    from pipeline.sources import source_at

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
    opened = select(read.open(dataset, columns_of(column), root or ()), only or (), limit)
    _print_source(opened)
    tower = load_encoder(encoder, weights, place, getattr(torch, dtype)) if opened.videos else None
    if tower is not None:
        say(f"encoder: {tower.statement}")
    if would_do:
        _print_plan(dry_run(opened, folder, tower, config, mirror, part))
        return
    if engine == "local":
        from pipeline.engines import sandbox  # looks for a library of the system

        say(f"sandbox: {sandbox.statement()}")
    with _started(engine, ray_address, config.workers) as place_of_work, progress("extract") as report:
        result = extract(opened, folder, tower, config, report, place_of_work, mirror, part)
    _print_extract(result, out)
    if result.quarantined + result.kept_quarantined:
        raise typer.Exit(EXIT_QUARANTINED)


def _started(name: EngineName, ray_address: str | None, workers: int) -> "AbstractContextManager[Engine]":
    """An engine that ends with the context."""
    if name == "local":
        if ray_address is not None:
            raise ConfigError("--ray-address: goes with --engine ray")
        from pipeline.engines.work import local

        return nullcontext(local)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault(
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"
    )  # as Ray's next version will; else it warns
    from pipeline.engines.ray import ray_engine

    return ray_engine(ray_address, workers)


def _print_source(source: "Source") -> None:
    counts = f"{len(source.videos)} videos, {len(source.motions)} motions"
    console.print(f"source: {source.name}, {counts}. {source.statement}", highlight=False, soft_wrap=True)
    for note in source.notes:
        say(f"  note: {note}")


def _print_extract(result: "ExtractReport", out: str) -> None:
    from hero_core.stores import shown

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
        say(f"  note: {note}")
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


def _print_plan(planned: "Sequence[Planned]") -> None:
    for each in planned:
        kind = {"features": "videos", "motions": "motions"}[each.kind]
        line = f"would do {each.todo} of {each.inputs} {kind}, {each.kept_quarantined} stay in quarantine"
        if each.todo and each.seconds is None:
            line += "; how long is not known: this cache has none of them yet"
        elif each.todo and each.seconds is not None:
            line += (
                f"; about {duration(each.seconds)} at {each.seconds_each:.3g} s each, as before in this cache"
            )
        say(line)


def _print_remarks(title: str, remarks: "Iterable[Remark]") -> None:
    commonest = sorted(remarks, key=lambda remark: -remark.count)
    for remark in commonest[:REASONS_SHOWN]:
        files = ", ".join(remark.files) + (", ..." if remark.count > len(remark.files) else "")
        line = f"  {title} {remark.count} x {remark.text}: {files}"
        say(line)
    if len(commonest) > REASONS_SHOWN:
        console.print(f"  and {len(commonest) - REASONS_SHOWN} other kinds of {title}", highlight=False)
