"""Train one part of a generator into its run folder, and write down what ran."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hero_core.device import device_name
from hero_core.errors import ConfigError, WeightsError
from hero_core.fingerprint import sha256_of_tensors
from hero_core.models.base import TrainingFacts, generator_class
from hero_core.models.checkpoint import library_versions, load_network
from hero_core.progress import Progress, silent
from hero_core.runs import (
    ENCODED_BY_KEY,
    EVALUATOR,
    checkpoint_path,
    describe_run,
    find_checkpoint,
)
from hero_core.training_set import TrainingSet
from trainer.batches import Batches, batches_of
from trainer.config import TrainConfig
from trainer.evaluator import Matching, Relations
from trainer.folder import FINISHED, PartFolder
from trainer.loop import Run, reproducible, train
from trainer.state import Best, different, require_same_run

INITIAL_WEIGHTS = "initial_weights"


@dataclass(frozen=True)
class Request:
    """What to train.

    Attributes:
        data: to learn from.
        out: the run folder, shared by all parts.
        config: every setting.
        device: where to compute.
        settings_from: where the settings came from (preset, file, overrides), for the record.
        resume: go on with what is in ``out`` already; without it, an existing part is never touched.
        finetune: run or checkpoint whose tokenizer to start from; its model settings and statistics come along.
    """

    data: TrainingSet
    out: Path
    config: TrainConfig
    device: torch.device
    settings_from: Mapping[str, Any]
    resume: bool = False
    finetune: Path | None = None


def part_class(config: TrainConfig, name: str) -> type[Any]:
    """Class of a part of the generator, or of the evaluator as a part to train."""
    return Matching if name == EVALUATOR else generator_class(config.generator).parts[name]


def check(name: str, request: Request, before: Sequence[str]) -> None:
    """Refuse what cannot be trained, after the parts ``before`` it have been, or been taken from another run.

    Raises:
        InputError: it is there already, or the data has nothing to train it on.
        WeightsError: the part that encodes its motions is missing.
    """
    PartFolder(request.out, name).prepare(request.resume)
    cls = part_class(request.config, name)
    batches_of(name, cls.trained_on, request.data, request.config)
    if cls.encoded_by not in before:
        _encoder(name, request)


def train_part(name: str, request: Request, report: Progress = silent) -> Best | None:
    """Train one part to its end, or further on if the settings now say so; None if nothing is left to do.

    Raises:
        HeroError: anything a user can put right.
    """
    folder = PartFolder(request.out, name)
    folder.prepare(request.resume)
    if folder.imported:
        return None
    with reproducible(request.config.seed, request.device):
        run, config = _ready(name, request)
        if folder.finished and not _goes_on(run, config):
            return None
        if folder.state.exists():
            require_same_run(folder.state, run.identity)
        describe_run(request.out, config.generator)
        folder.describe(config, _description(run, request))
        best = train(run, report)
    folder.note(best={"metric": run.part.metric, "value": best.value, "step": best.step}, **{FINISHED: True})
    return best


def take_part(name: str, request: Request, other: Path, only_same: bool) -> bool:
    """Copy a finished part of another run, if this run has none; True if that was done.

    Args:
        name: of the part.
        request: what the part would be trained by here.
        other: the other run.
        only_same: only if training here would give the same: of the same settings, data, seed and inputs.
    """
    mine, theirs = PartFolder(request.out, name), PartFolder(other, name)
    if mine.path.exists() or not theirs.finished or (only_same and not _would_be_the_same(theirs, request)):
        return False
    mine.copy_from(theirs)
    describe_run(request.out, request.config.generator)
    return True


def _would_be_the_same(theirs: PartFolder, request: Request) -> bool:
    if theirs.imported:
        return False
    recorded = theirs.description()
    initial = recorded.get(INITIAL_WEIGHTS)
    if initial is not None and request.finetune is None:  # fine-tuned there, so from the same weights here
        request = replace(request, finetune=Path(initial["path"]))
    with reproducible(request.config.seed, request.device):
        run, _ = _ready(theirs.name, request)
    return bool(recorded["identity"] == run.identity and recorded["steps"] == run.total_steps)


def _goes_on(run: Run, config: TrainConfig) -> bool:
    """Whether a finished part is to be trained further.

    Raises:
        ConfigError: it was finished with other settings, data or inputs, which cannot be changed any more.
        WeightsError: what it would go on from is missing.
    """
    name, recorded, stored = run.folder.name, run.folder.description(), run.folder.stored_config()
    changed = [each for each in different(recorded["identity"], run.identity) if each != "device"]
    if run.total_steps > recorded["steps"] and not changed:
        if not run.folder.state.exists():
            raise WeightsError(f"{run.folder.state}: missing, so that {name} cannot be trained further")
        return True
    ignored = [each for each in changed if each != "settings"]
    ignored += stored.changes(config, name) if stored else []
    if ignored:
        raise ConfigError(
            f"{run.folder.path}: finished, so --resume ignores what differs: {'; '.join(ignored)}. "
            f"Train with that into another --out; more {name}.training.steps (or epochs) alone train this one further"
        )
    return False


def _ready(name: str, request: Request) -> tuple[Run, TrainConfig]:
    """Put together what the loop needs; initial weights come from the global generator.

    Returns also the settings: a part that starts from other weights has its model's settings from there.
    """
    config, data = request.config, request.data
    cls = part_class(config, name)
    encoder = _encoder(name, request)
    initial, part = _initial_weights(name, request)
    if part is not None:
        config = config.with_model(name, part.config)
    batches = batches_of(name, cls.trained_on, data, config)
    if part is None:
        part = _build(name, request, batches, encoder)
    metadata: dict[str, Any] = {"data": data.facts(), "selection": config.selection, "seed": config.seed}
    identity = {
        "part": name,
        "settings": config.fingerprint(name),
        "data": data.digest,
        "device": request.device.type,
    }
    if initial is not None:
        metadata[INITIAL_WEIGHTS] = initial
        identity[INITIAL_WEIGHTS] = initial["sha256"]
    if encoder is not None:
        metadata[ENCODED_BY_KEY] = identity[ENCODED_BY_KEY] = sha256_of_tensors(encoder.state_dict())
        encoder = encoder.to(request.device)
    run = Run(
        folder=PartFolder(request.out, name),
        part=part.to(request.device),
        network=part.motion if name == EVALUATOR else part,
        batches=batches,
        encoder=encoder,
        training=config.section(name).training,
        seed=config.seed,
        device=request.device,
        identity=identity,
        metadata=metadata,
        tensorboard=config.tensorboard,
    )
    return run, config


def _build(name: str, request: Request, batches: Batches, encoder: Any) -> Any:
    config, data = request.config, request.data
    cls = part_class(config, name)
    videos = data.train(config.selection).with_video()
    facts = TrainingFacts(
        statistics=data.statistics().emphasised(config.feat_bias),
        feature_dim=videos[0].video.frames.shape[1] if len(videos) else 0,
        longest_frames=batches.longest_frames,
        parts={} if encoder is None else {cls.encoded_by: encoder},
    )
    if name == EVALUATOR:
        return Matching(config.evaluator, facts, Relations(data.rows))
    return cls.build(config.section(name).model, facts)


def _initial_weights(name: str, request: Request) -> tuple[dict[str, str] | None, Any]:
    """Which weights a part starts from, for the record, and the part with them; None twice for fresh ones.

    A resumed part need not be told again, and has its model's settings from its own checkpoint.
    """
    cls, folder = part_class(request.config, name), PartFolder(request.out, name)
    recorded = folder.description().get(INITIAL_WEIGHTS)
    if request.finetune is not None and cls.trained_on == "windows":
        path = find_checkpoint(request.finetune, name)
    elif recorded is None:
        return None, None
    elif folder.state.exists():
        return recorded, load_network(folder.last, cls)[0]
    else:
        path = Path(recorded["path"])
    start, origin = load_network(path, cls)
    return {"path": str(path.resolve()), "sha256": origin.sha256}, start


def _encoder(name: str, request: Request) -> Any:
    """The frozen part that encodes the motions, from the run; None where there is none."""
    encoder = part_class(request.config, name).encoded_by
    if encoder is None:
        return None
    path = checkpoint_path(request.out, encoder)
    if not path.is_file():
        raise WeightsError(
            f"{path}: missing; {name} learns from what {encoder} makes of the motions, so train {encoder} first: "
            f"hero-train {encoder} {request.data.folder} --out {request.out}"
        )
    return load_network(path, part_class(request.config, encoder))[0]


def _description(run: Run, request: Request) -> dict[str, Any]:
    return {
        "part": run.folder.name,
        "settings_from": dict(request.settings_from),
        "identity": dict(run.identity),
        **run.metadata,
        "official_behaviour": {
            **request.config.official_choices(),
            **run.training.official_choices(),
            **run.network.config.official_choices(),
        },
        "data_folder": str(request.data.folder.resolve()),
        "counts": dict(run.batches.counts),
        "steps_per_epoch": run.batches.order.steps_per_epoch,
        "steps": run.total_steps,
        "model": run.network.config.model_dump(mode="json"),
        "parameters": sum(p.numel() for p in run.part.parameters() if p.requires_grad),
        "device": device_name(run.device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": library_versions(),
    }
