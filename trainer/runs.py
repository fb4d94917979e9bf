"""Train one part of a generator into its run folder, and write down what ran."""

import platform
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from hero_core.choices import EVALUATOR
from hero_core.device import device_name
from hero_core.errors import ConfigError, WeightsError
from hero_core.fingerprint import sha256_of_tensors
from hero_core.models.base import TrainingFacts, generator_class, optional_parts
from hero_core.models.checkpoint import load_network
from hero_core.motion.statistics import MotionStatistics
from hero_core.progress import Progress, silent
from hero_core.runs import ENCODED_BY_KEY, EVALUATORS, checkpoint_path, describe_run, load_evaluator
from hero_core.training_set import Samples
from hero_core.versions import library_versions
from trainer.arithmetic import reproducible
from trainer.config import TrainConfig
from trainer.data.batches import Batches, batches_of
from trainer.data.codes import Codes, CodesPlace, codes_of
from trainer.evaluator import Matching, Relations
from trainer.folder import FINISHED, PartFolder
from trainer.loop import Run, train
from trainer.request import Request, part_class
from trainer.scorer import LEAST_CLIPS, ReactionScorer, known_answers
from trainer.start import INITIAL_WEIGHTS, Start, require_start, start_of
from trainer.state import PROCESSES, Best, different, require_same_run


def check(name: str, request: Request, before: Sequence[str]) -> None:
    """Refuse what cannot be trained, after the parts ``before`` it have been, or been taken from another run.

    Raises:
        InputError: it is there already, or the data has nothing to train it on.
        WeightsError: the part that encodes its motions is missing, or what it is to start from or be chosen with.
        ConfigError: it cannot be chosen by its reactions, or its batches not be shared.
    """
    PartFolder(request.out, name).prepare(request.resume)
    cls = part_class(request.config, name)
    batches_of(name, cls.trained_on, request.data, request.config, ranks=request.ranks)
    if request.finetune is not None and name not in EVALUATORS:
        require_start(request.finetune, name, request.config.generator)
    if cls.encoded_by not in before:
        _encoder(name, request)
    if request.config.section(name).training.select_by == "reactions":
        _check_scorer(name, request, before)


def train_part(name: str, request: Request, report: Progress = silent) -> Best | None:
    """Train one part to its end, or further on if the settings now say so; None if nothing is left to do.

    Raises:
        HeroError: anything a user can put right.
    """
    folder, ranks = PartFolder(request.out, name), request.ranks
    ranks.on_first(lambda: folder.prepare(request.resume))
    if folder.imported:
        return None
    if ranks.world > 1 and needs_codes(name, request):  # once, rather than by each of them
        ranks.on_first(lambda: encode_motions(name, request, report))
    with reproducible(request.config.seed, request.device):
        run, config = ready(name, request, report)
        if folder.finished and not _goes_on(run, config):
            return None
        if folder.state.exists():
            require_same_run(folder.state, run.identity)
        ranks.wait()  # for those that still read what is written now
        if ranks.first:
            _describe(request)
            folder.describe(config, _description(run, request))
        best = train(run, report)
    facts = {"best": {"metric": run.metric, "value": best.value, "step": best.step}, FINISHED: True}
    ranks.on_first(lambda: folder.note(**facts))
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
    request.ranks.wait()  # for those that still read what is written now
    request.ranks.on_first(lambda: _copy(mine, theirs, request))
    return True


def _copy(mine: PartFolder, theirs: PartFolder, request: Request) -> None:
    mine.copy_from(theirs)
    _describe(request)


def _describe(request: Request) -> None:
    config = request.config
    describe_run(request.out, config.generator, sampling=config.sampling.model_dump(mode="json"))


def _would_be_the_same(theirs: PartFolder, request: Request) -> bool:
    if theirs.imported:
        return False
    recorded = theirs.description()
    initial = recorded.get(INITIAL_WEIGHTS)
    if initial is not None and request.finetune is None:  # fine-tuned there, so from the same weights here
        request = replace(request, finetune=Path(initial["path"]))
    with reproducible(request.config.seed, request.device):
        run, _ = ready(theirs.name, request)
    return bool(recorded["identity"] == run.identity and recorded["steps"] == run.total_steps)


def _goes_on(run: Run, config: TrainConfig) -> bool:
    """Whether a finished part is to be trained further.

    Raises:
        ConfigError: it was finished with other settings, data or inputs, which cannot be changed any more.
        WeightsError: what it would go on from is missing.
    """
    name, recorded, stored = run.folder.name, run.folder.description(), run.folder.stored_config()
    different_ones = different(recorded["identity"], run.identity)
    changed = [each for each in different_ones if each not in ("device", PROCESSES)]
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


def ready(name: str, request: Request, report: Progress = silent) -> tuple[Run, TrainConfig]:
    """Put together what the loop needs; initial weights come from the global generator.

    Returns also the settings: a part that starts from other weights has its model's sizes from there.
    """
    config, data = request.config, request.data
    cls = part_class(config, name)
    encoder = _encoder(name, request)
    start = _start(name, request)
    if start is not None:
        config = config.with_model(name, start.sized(config.section(name).model))
    codes = None if encoder is None else partial(_codes, cls.encoded_by, encoder, request, report)
    recorded = PartFolder(request.out, name).description().get("identity")
    streamed = None if recorded is None else "reading" in recorded
    batches = batches_of(name, cls.trained_on, data, config, request.device, codes, streamed, request.ranks)
    part = _build(name, config, request, batches, encoder)
    if start is not None:
        start.give(part, name)
    metadata: dict[str, Any] = {"data": data.facts(), "selection": config.selection, "seed": config.seed}
    identity = {
        "part": name,
        "settings": config.fingerprint(name),
        "data": data.digest,
        "device": request.device.type,
        **batches.order.identity,
    }
    if request.ranks.world > 1:
        identity[PROCESSES] = str(request.ranks.world)
    if start is not None:
        metadata[INITIAL_WEIGHTS] = dict(start.record)
        identity[INITIAL_WEIGHTS] = start.record["sha256"]
    if encoder is not None:
        metadata[ENCODED_BY_KEY] = identity[ENCODED_BY_KEY] = sha256_of_tensors(encoder.state_dict())
    scorer, chosen_with = _scorer(name, request)
    identity |= chosen_with
    run = Run(
        folder=PartFolder(request.out, name),
        part=part.to(request.device),
        network=part.evaluator if name in EVALUATORS else part,
        batches=batches,
        scorer=scorer,
        training=config.section(name).training,
        seed=config.seed,
        device=request.device,
        identity=identity,
        metadata=metadata,
        tensorboard=config.tensorboard,
        ranks=request.ranks,
    )
    return run, config


def needs_codes(name: str, request: Request) -> bool:
    """Whether a part that is not finished learns from what an earlier one makes of the motions."""
    encoded_by = part_class(request.config, name).encoded_by
    return encoded_by is not None and not PartFolder(request.out, name).finished


def encode_motions(name: str, request: Request, report: Progress = silent) -> None:
    """Make the codes that stand for the motions where ``name`` is trained, unless they are there already."""
    _codes(part_class(request.config, name).encoded_by, _encoder(name, request), request, report)


def _codes(encoded_by: str, encoder: Any, request: Request, report: Progress) -> Codes:
    data, selection, device = request.data, request.config.selection, request.device
    place = CodesPlace.of(encoded_by, encoder, data, selection, request.out, device)
    return codes_of(place, data.read_by_training(selection), encoder.to(device).eval(), device, report)


def _build(name: str, config: TrainConfig, request: Request, batches: Batches, encoder: Any) -> Any:
    data = request.data
    cls = part_class(config, name)
    videos = data.train(config.selection).with_video()
    facts = TrainingFacts(
        statistics=_statistics(request),
        feature_dim=next(videos.in_passing([0])).video.frames.shape[1] if len(videos) else 0,
        longest_frames=batches.longest_frames,
        parts={} if encoder is None else {cls.encoded_by: encoder},
        synchronous=data.synchronous,
    )
    if name in EVALUATORS:
        section: Any = config.section(name)
        return Matching(section, facts, Relations(data.rows))
    return cls.build(config.section(name).model, facts)


def _statistics(request: Request) -> MotionStatistics:
    """What the parts of a run normalise motions by, as its settings emphasise them."""
    return request.data.statistics().emphasised(request.config.feat_bias)


def departures(name: str, request: Request) -> list[str]:
    """In what the training of a part departs from the method that its settings are of, one line each.

    Motions alone are what a tokenizer is pre-trained on, so that training on them is no departure.
    """
    expected = request.config.section(name).training.pretrained_on
    recorded = PartFolder(request.out, name).description().get(INITIAL_WEIGHTS)
    if expected is None or request.finetune or recorded or request.data.identity is None:
        return []
    return [
        f"{name} starts from fresh weights; these settings are of a method that starts from ones trained on "
        f"{expected}: --finetune RUN (MoMask's: hero-train import-official MOMASK_RVQ_FOLDER RUN)"
    ]


def _start(name: str, request: Request) -> Start | None:
    """Where a part starts; None for fresh weights, which evaluators always start from."""
    if name in EVALUATORS:
        return None
    config, named = request.config, None
    if request.finetune is not None:
        named = require_start(request.finetune, name, config.generator)
    choice = config.section(name).training.finetune_statistics
    folder = PartFolder(request.out, name)
    return start_of(part_class(config, name), folder, named, choice, _statistics(request))


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
    return _trained(encoder, request)


def _trained(name: str, request: Request) -> Any:
    """A part of the run that was trained before."""
    return load_network(checkpoint_path(request.out, name), part_class(request.config, name))[0]


def _scorer(name: str, request: Request) -> tuple[ReactionScorer | None, dict[str, str]]:
    """What chooses the best checkpoint by the reactions of the part, with the earlier parts of the run.

    Returns also the content of what it generates and scores with, by name; None and nothing where the loss chooses.
    """
    if request.config.section(name).training.select_by == "loss":
        return None, {}
    cls, sampling = generator_class(request.config.generator), request.config.sampling
    earlier = {each: _trained(each, request).to(request.device) for each in _before(name, request)}
    samples = _scored(request)
    used, evaluator = dict(earlier), None
    if not known_answers(samples):
        evaluator = used[EVALUATOR] = load_evaluator(request.out)[0].to(request.device).eval()
    scorer = ReactionScorer(
        lambda part: cls({**earlier, name: part}, sampling), samples, evaluator, request.device
    )
    return scorer, {
        f"chosen_with_{each}": sha256_of_tensors(part.state_dict()) for each, part in used.items()
    }


def needed_parts(name: str, request: Request) -> list[str]:
    """The parts, the evaluator among them, that have to be trained before ``name`` can be."""
    encoder = part_class(request.config, name).encoded_by
    needed = [] if encoder is None else [encoder]
    if request.config.section(name).training.select_by == "reactions":
        needed += [each for each in _before(name, request) if each not in needed]
        if not known_answers(_scored(request)):
            needed.append(EVALUATOR)
    return needed


def _scored(request: Request) -> Samples:
    return request.data.validation(request.config.selection).with_video().long_enough()


def _check_scorer(name: str, request: Request, before: Sequence[str]) -> None:
    """Refuse to choose by reactions where they cannot be generated, or not be scored."""
    optional = optional_parts(generator_class(request.config.generator))
    if name in {*EVALUATORS, *optional} or part_class(request.config, name).trained_on != "pairs":
        raise ConfigError(f"{name}.training.select_by: {name} makes no reactions; only loss can choose it")
    samples = _scored(request)
    if not known_answers(samples) and len({row.pair.clip_key for row in samples.rows}) < LEAST_CLIPS:
        raise ConfigError(
            f"{request.data.folder}: too few validation clips to choose {name} by the FID of its reactions; choose "
            f"by likelihood: --set {name}.training.select_by=loss"
        )
    for each in needed_parts(name, request):
        path = checkpoint_path(request.out, each)
        if each not in before and not path.is_file():
            raise WeightsError(
                f"{path}: missing; {name} is chosen by its reactions, which needs {each}: train or import it first, or "
                f"choose by likelihood: --set {name}.training.select_by=loss"
            )


def _before(name: str, request: Request) -> Sequence[str]:
    parts = list(generator_class(request.config.generator).parts)
    return parts[: parts.index(name)]


def _description(run: Run, request: Request) -> dict[str, Any]:
    return {
        "part": run.folder.name,
        "settings_from": dict(request.settings_from),
        "identity": dict(run.identity),
        **run.metadata,
        "departures": departures(run.folder.name, request),
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
