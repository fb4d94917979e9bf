"""Train one task into its run folder, and write down what ran."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import torch

from hero_core.checkpoints import library_versions
from hero_core.models.codec import MotionCodec
from trainer.config import TaskName, TrainConfig
from trainer.data import DATA_KEY, TrainingData
from trainer.loop import Report, Run, reproducible, train
from trainer.run_folder import RunFolder
from trainer.stages import Ingredients, Stage, build_stage, checkpoint_of
from trainer.training_state import Best, require_same_run

TASKS: tuple[TaskName, ...] = get_args(TaskName)
"""In the order in which they build on each other."""

INITIAL_WEIGHTS = "initial_weights"


@dataclass(frozen=True)
class Request:
    """What to train.

    Attributes:
        data: folder that ``build-pairs`` made.
        out: the run folder, shared by all tasks.
        config: every setting.
        origin: where the settings came from (preset, file, overrides), for ``run.json``.
        device: where to compute.
        resume: go on with what is in ``out`` already; without it, an existing run is never touched.
        finetune: tokenizer to start from, whose model settings and statistics replace the configured ones.
    """

    data: Path
    out: Path
    config: TrainConfig
    origin: Mapping[str, Any]
    device: torch.device
    resume: bool = False
    finetune: Path | None = None


def train_task(name: TaskName, request: Request, report: Report) -> Best | None:
    """Train one task to its end; None if it was finished already.

    Raises:
        HeroError: anything a user can put right.
    """
    folder = RunFolder(request.out, name)
    folder.prepare(request.resume)
    if folder.finished:
        return None
    config, given = request.config, _ingredients(name, request, folder)
    with reproducible(config.seed, request.device):
        stage = build_stage(name, given)
        identity = {
            "task": name,
            "settings": given.config.fingerprint(name),
            "data": given.data.digest,
            "device": request.device.type,
            **stage.inputs,
        }
        if folder.state.exists():
            require_same_run(folder.state, identity)
        folder.describe(given.config, _description(name, request, given, stage, identity))
        run = Run(
            folder=folder,
            seed=config.seed,
            device=request.device,
            identity=identity,
            metadata={
                DATA_KEY: given.data.fingerprint,
                "data": _data_facts(given.data),
                "selection": config.selection,
                "seed": config.seed,
                **stage.inputs,
            },
            tensorboard=config.tensorboard,
            report=report,
        )
        best = train(stage.task, stage.training, run)
    folder.finish({"best": {"metric": stage.task.metric, "value": best.value, "step": best.step}})
    return best


def _ingredients(name: TaskName, request: Request, folder: RunFolder) -> Ingredients:
    given = Ingredients(request.config, TrainingData(request.data), request.out, request.device)
    initial = _initial_weights(name, request, folder)
    if initial is None:
        return given
    section = given.config.rvq.model_copy(update={"model": MotionCodec.load(initial).config})
    return replace(given, config=given.config.model_copy(update={"rvq": section}), initial_codec=initial)


def _initial_weights(name: TaskName, request: Request, folder: RunFolder) -> Path | None:
    if name != "rvq":
        return None
    if request.finetune is not None:
        return checkpoint_of(request.finetune, name)
    recorded = folder.description().get(INITIAL_WEIGHTS)  # a resumed run need not be told again
    return Path(recorded) if recorded and not folder.state.exists() else None


def _description(
    name: TaskName, request: Request, given: Ingredients, stage: Stage, identity: Mapping[str, str]
) -> dict[str, Any]:
    steps_per_epoch = stage.task.steps_per_epoch
    return {
        "task": name,
        "settings_from": dict(request.origin),
        "identity": dict(identity),
        "data": {"folder": str(request.data.resolve()), **_data_facts(given.data)},
        "selection": given.config.selection,
        "official_behaviour": dict(stage.official),
        "counts": dict(stage.counts),
        "steps_per_epoch": steps_per_epoch,
        "steps": stage.training.total_steps(steps_per_epoch),
        "model": stage.model.model_dump(mode="json"),
        "parameters": sum(p.numel() for p in stage.task.module.parameters() if p.requires_grad),
        INITIAL_WEIGHTS: str(given.initial_codec.resolve()) if given.initial_codec else None,
        "seed": given.config.seed,
        "device": _device_name(request.device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": library_versions(),
    }


def _data_facts(data: TrainingData) -> dict[str, Any]:
    names = ("name", "statement", "encoder", "features", "protocol")
    return {"fingerprint": data.fingerprint, **{name: data.description.get(name) for name in names}}


def _device_name(device: torch.device) -> str:
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type
