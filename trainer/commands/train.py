"""``hero-train PART`` and ``hero-train all``."""

from pathlib import Path
from typing import Annotated

import typer

from hero_core.choices import DeviceName
from hero_core.cli import say
from hero_core.errors import ConfigError
from trainer.choices import ALL
from trainer.commands.options import GeneratorOption, PresetOption

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML file with settings that replace the preset's; or RUN/PART/config.json, all of what that was trained "
        "with.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting, e.g. --set masked.training.steps=500; repeatable."),
]


def train_command(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="Training set that hero-pipeline build-pairs made.")],
    out: Annotated[Path, typer.Option("--out", help="Run folder; the parts of a run share it.")],
    generator: GeneratorOption = None,
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with this run exactly where it stopped, with its settings; more steps extend it.",
        ),
    ] = False,
    device: Annotated[DeviceName, typer.Option(help="Where to compute.")] = "auto",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of weights, order, crops, masks and dropout.")
    ] = None,
    finetune: Annotated[
        Path | None,
        typer.Option(
            help="Run or checkpoint to start from: a part that is named from the same part there, with all only those "
            "that learn from motions alone, such as a tokenizer. The sizes of its model come along."
        ),
    ] = None,
    parts_from: Annotated[
        Path | None,
        typer.Option(
            help="Run to copy from: parts that come before, and those that would come out the same."
        ),
    ] = None,
    parallel: Annotated[
        bool,
        typer.Option(
            "--parallel",
            help="Train parts that do not need each other side by side, each in a process of its own; the device has "
            "to have the memory for both.",
        ),
    ] = False,
) -> None:
    """Train one part of a generator, or all."""
    from hero_core.device import choose_device
    from hero_core.training_set import TrainingSet
    from trainer.folder import settings_for
    from trainer.request import Request, of_motions
    from trainer.runs import check, take_part
    from trainer.side_by_side import rounds
    from trainer.torchrun_cli import launched
    from trainer.train_cli import announce, earlier_parts, names_of, train_and_say

    word = str(context.info_name)
    overrides = [*(settings or []), *([] if seed is None else [f"seed={seed}"])]
    training_set = TrainingSet(data)
    ranks, computing = context.with_resource(launched(choose_device(device)))
    if parallel and ranks.group is not None:
        raise ConfigError(
            "--parallel trains several parts at a time, torchrun one on several GPUs: choose one of them"
        )

    def request(name: str) -> Request:
        chosen, origin = settings_for(name, out, generator, preset, config, overrides, parts_from)
        start = None if word == ALL and name != ALL and not of_motions(name, chosen) else finetune
        return Request(training_set, out, chosen, computing, origin, resume, start, ranks)

    whole = request(word)
    names = names_of(word, whole)
    requests = {name: request(name) for name in names}
    earlier = earlier_parts(names, whole.config) if parts_from else []
    for index, name in enumerate(names):  # refuse before the first part has trained for hours
        check(name, requests[name], [*earlier, *names[:index]])
    ranks.wait()  # for those that still check what is written from now on
    unforeseen = word == ALL and preset is None and computing.type == "cpu"
    if unforeseen and not resume:
        announce(whole)
    for name in earlier:
        if parts_from and take_part(name, whole, parts_from, only_same=False):
            say(f"{name}: taken from {parts_from}")
    for group in rounds(names, requests) if parallel else [[name] for name in names]:
        left = {name: requests[name] for name in group}
        for name in group:
            if parts_from and take_part(name, requests[name], parts_from, only_same=True):
                say(f"{name}: taken from {parts_from}, as training here would give the same")
                del left[name]
        if left:
            train_and_say(left, word, measured=unforeseen)
