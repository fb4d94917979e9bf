"""The ``hero-pipeline`` command."""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.table import Table

from hero_core.cli import EXIT_QUARANTINED, console, progress, run
from hero_core.config import parse_config
from hero_core.errors import ConfigError
from hero_core.shards import ShardFormat
from pipeline.config import DeviceName, Dtype, ExtractConfig, PairsConfig, StorageDtype, default_workers
from pipeline.encoders import EncoderName, load_encoder
from pipeline.extract import ExtractReport, extract
from pipeline.minivimo import write_minivimo
from pipeline.pairs import PairsReport, build_pairs
from pipeline.sources import Source, open_source
from pipeline.splits import SplitConfig
from pipeline.verify import verify

app = typer.Typer(
    help="Videos and motions in, shards out.", no_args_is_help=True, pretty_exceptions_enable=False
)

SourceArgument = Annotated[
    Path,
    typer.Argument(
        help="A ViMo release folder (train.txt, test.txt), a CSV or parquet pair list or a folder with "
        "pairs.csv, or a folder broad/subcategory/*.mp4."
    ),
]
DatasetOption = Annotated[
    Path | None,
    typer.Option("--dataset", help="Description of the data set (TOML); default SOURCE/dataset.toml."),
]
ColumnOption = Annotated[
    list[str] | None, typer.Option("--column", help="Column of the pair list, e.g. motion=motion_joints.")
]


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
    source: SourceArgument,
    out: Annotated[Path, typer.Argument(help="Folder for the features; run again to go on.")],
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
    workers: Annotated[
        int | None, typer.Option(min=1, help="Decoding processes; default: one a core.")
    ] = None,
    retry_quarantined: Annotated[
        bool, typer.Option("--retry-quarantined", help="Try bad inputs again.")
    ] = False,
    dataset: DatasetOption = None,
    column: ColumnOption = None,
) -> None:
    """Decode every video once, run the frozen encoder, write feature shards. Resumable and incremental."""
    device_name = pick_device(device)
    config = parse_config(
        ExtractConfig,
        {
            "storage_dtype": storage_dtype,
            "shard_format": shards,
            "clips_per_shard": clips_per_shard,
            "batch_clips": batch_clips or (1 if device_name == "cpu" else 8),
            "workers": workers or default_workers(),
            "retry_quarantined": retry_quarantined,
        },
        "command line",
    )
    opened = open_source(source, dataset, _columns(column))
    tower = load_encoder(encoder, weights, torch.device(device_name), getattr(torch, dtype))
    _print_source(opened, tower.statement)
    with progress("extract") as report:

        def show(state: ExtractReport) -> None:
            report(state.done, state.videos, f"{state.quarantined} quarantined")

        result = extract(opened, out, tower, config, show)
    _print_extract(result, out)
    if result.quarantined + result.kept_quarantined:
        raise typer.Exit(EXIT_QUARANTINED)


@app.command("build-pairs")
def build_pairs_command(
    source: SourceArgument,
    features: Annotated[Path, typer.Option(help="Folder that hero-pipeline extract wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for the training data.")],
    test_share: Annotated[float, typer.Option(min=0, max=1, help="Of each subcategory.")] = 0.2,
    val_share: Annotated[float, typer.Option(min=0, max=1, help="Of the training part.")] = 0.1,
    unseen: Annotated[
        list[str] | None, typer.Option(help="Subcategory to hold out whole; repeatable.")
    ] = None,
    unseen_protocol: Annotated[
        bool, typer.Option("--unseen-protocol", help="Hold out what dataset.toml names as unseen.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the split.")] = 0,
    motion_fps: Annotated[
        float | None, typer.Option(help="Frame rate of joint positions; default 20.")
    ] = None,
    body_model: Annotated[
        Path | None, typer.Option(help="SMPL-family model (.npz), for SMPL parameters.")
    ] = None,
    shards: Annotated[ShardFormat, typer.Option(help="WebDataset tar or HDF5.")] = "tar",
    dataset: DatasetOption = None,
    column: ColumnOption = None,
) -> None:
    """Turn motions into HumanML3D format, pair them with features, split, and write training shards."""
    opened = open_source(source, dataset, _columns(column))
    held_out = tuple(unseen or ()) + (opened.description.unseen_subcategories if unseen_protocol else ())
    if unseen_protocol and not held_out:
        raise ConfigError(
            "--unseen-protocol: dataset.toml names no unseen_subcategories; name them with --unseen"
        )
    split = SplitConfig(test_share=test_share, val_share=val_share, unseen=held_out, seed=seed)
    config = PairsConfig(split=split, motion_fps=motion_fps, body_model=body_model, shard_format=shards)
    with progress("build-pairs") as report:
        result = build_pairs(opened, features, out, config, report)
    _print_pairs(result, out)
    if result.quarantined:
        raise typer.Exit(EXIT_QUARANTINED)


@app.command("verify")
def verify_command(folder: Annotated[Path, typer.Argument(help="Features or training data.")]) -> None:
    """Check bytes, addresses, shapes, numbers, fingerprints and counts against the manifest."""
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
        raise typer.Exit(1)


def pick_device(device: DeviceName) -> str:
    """``auto`` is CUDA where there is one.

    Raises:
        ConfigError: CUDA was asked for and is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: this machine has no CUDA device; use --device cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _columns(options: list[str] | None) -> dict[str, str]:
    columns = {}
    for option in options or []:
        name, separator, column = option.partition("=")
        if not separator or not name or not column:
            raise ConfigError(f"--column {option!r}: write it as name=column, e.g. motion=motion_joints")
        columns[name] = column
    return columns


def _print_source(source: Source, encoder_statement: str) -> None:
    console.print(
        f"source: {source.name}, {len(source.videos)} videos. {source.statement}",
        highlight=False,
        soft_wrap=True,
    )
    for note in source.notes:
        console.print(f"  note: {note}", highlight=False, markup=False)
    console.print(f"encoder: {encoder_statement}", highlight=False, soft_wrap=True)


def _print_extract(result: ExtractReport, out: Path) -> None:
    console.print(
        f"{result.videos} videos: {result.ok} extracted, {result.kept} kept from before, "
        f"{result.quarantined + result.kept_quarantined} quarantined, {result.warned} ok with a warning",
        highlight=False,
        soft_wrap=True,
    )
    for stage, seconds in result.seconds.items():
        console.print(f"  {stage}: {seconds:.1f} s", highlight=False)
    for reason, count in result.reasons.most_common(10):
        console.print(f"  quarantined {count} x {reason}", highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"features: {out}   (what is not ok: {out / 'quarantine.csv'})", highlight=False, soft_wrap=True
    )


def _print_pairs(result: PairsReport, out: Path) -> None:
    table = Table("split", "pairs")
    for split in ("train", "val", "test"):
        table.add_row(split, str(result.pairs[split]))
    console.print(table)
    console.print(
        f"{result.listed} pairs listed = {result.pairs.total()} written + {result.lost} lost to "
        f"{result.quarantined} quarantined inputs; {result.warned} motions mended (e.g. cropped to 10 s)",
        highlight=False,
        soft_wrap=True,
    )
    if result.leaking_sources:
        console.print(
            f"[yellow]this data set's own split has {len(result.leaking_sources)} source videos on both sides: "
            f"{', '.join(result.leaking_sources[:5])}",
            highlight=False,
        )
    console.print(f"training data: {out}", highlight=False, soft_wrap=True)
