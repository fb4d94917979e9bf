"""A run folder, as those see it who use what was trained.

RUN/run.json                    which generator this is, how it samples, and where imported weights come from
RUN/{part}/best.safetensors     checkpoint with the lowest validation metric
RUN/{part}/last.safetensors     the newest one
RUN/evaluator/best.safetensors  the evaluator, if one was trained or imported
RUN/joint_evaluator/...         another one, which sees joints only, if one was trained
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hero_core.choices import EVALUATOR, JOINT_EVALUATOR, Which
from hero_core.config import merged, parse_config, read_settings
from hero_core.errors import FingerprintError, ManifestError, WeightsError
from hero_core.fingerprint import sha256_of_tensors
from hero_core.models import generators  # noqa: F401  registers them
from hero_core.models.base import Generator, generator_class, optional_parts
from hero_core.models.checkpoint import SUFFIX, Origin, load_network
from hero_core.models.evaluator import MotionEvaluator, Sees
from hero_core.seal import require_unbroken, seal_of_file, write_sealed_json
from hero_core.storage import read_json

SCHEMA = "hero-run/2"
RUN_FILE = "run.json"
EVALUATORS: Mapping[str, Sees] = {EVALUATOR: "vectors", JOINT_EVALUATOR: "joints"}
"""What each of a run's evaluators sees of motions."""

ENCODED_BY_KEY = "encoded_by_sha256"
"""Metadata of a checkpoint: content of the part that encoded the motions it was trained on."""


def checkpoint_path(run: Path, part: str, which: Which = "best") -> Path:
    """Where a run keeps a part's checkpoint."""
    return run / part / f"{which}{SUFFIX}"


def find_checkpoint(path: Path, part: str) -> Path:
    """The checkpoint meant by ``path``: itself, or the best one of the run that it is.

    Raises:
        WeightsError: neither.
    """
    for candidate in (path, path / f"best{SUFFIX}", checkpoint_path(path, part)):
        if candidate.is_file():
            return candidate
    raise WeightsError(f"{path}: neither a checkpoint nor a run with a trained {part} ({part}/best{SUFFIX})")


def describe_run(run: Path, generator: str, **facts: Any) -> None:
    """Write ``run.json``; what an earlier call noted stays unless it is named again."""
    path = run / RUN_FILE
    earlier = read_json(path) if path.is_file() else {}
    write_sealed_json(path, {**earlier, "schema": SCHEMA, "generator": generator, **facts})


def generator_of(run: Path) -> str | None:
    """Which generator a run folder is of; None where there is no run yet.

    Raises:
        ManifestError: the run is of another version, or its description is damaged.
    """
    path = run / RUN_FILE
    if not path.is_file():
        if any(run.glob("*/best/checkpoint.json")):
            raise ManifestError(
                f"{run}: a run of an earlier version, which this program does not read; train it anew: "
                "hero-train all DATA --out OTHER_RUN"
            )
        return None
    description = read_json(path)
    if description.get("schema") != SCHEMA:
        raise ManifestError(
            f"{path}: run of version {description.get('schema')!r}, this program reads {SCHEMA!r}; train it anew: "
            "hero-train all DATA --out OTHER_RUN"
        )
    require_unbroken(path, seal_of_file(path), "restore it from a copy, or train into another folder")
    if "generator" not in description:
        raise ManifestError(f"{path}: does not say which generator this is; restore it from a copy")
    return str(description["generator"])


@dataclass(frozen=True)
class LoadedRun:
    """A generator that is ready, and where each of its parts comes from."""

    folder: Path
    generator: Generator
    origins: Mapping[str, Origin]

    @property
    def data(self) -> Mapping[str, Any]:
        """What the last part that it needs notes of its training data; empty for imported weights, or no part."""
        optional = optional_parts(type(self.generator))
        needed = [origin for name, origin in self.origins.items() if name not in optional]
        return dict(needed[-1].metadata.get("data") or {}) if needed else {}


def load_run(run: Path, which: Which = "best", sampling: Sequence[str] = ()) -> LoadedRun:
    """Everything of a run that generates, each checkpoint read once; in evaluation mode, on the CPU.

    Args:
        run: the run folder.
        which: checkpoint of the parts; of those that encode motions always the best one, which others learnt from.
        sampling: settings of how to generate, ``name=value``; otherwise the run's, which its training set down.

    Raises:
        WeightsError: a part is damaged, or one that it needs is missing.
        FingerprintError: a part was trained with another one than the run holds.
        ConfigError: the parts do not fit together, or a setting is unknown.
    """
    kind = generator_of(run)
    if kind is None:
        raise WeightsError(f"{run}: no run here; train one with hero-train all DATA --out {run}")
    cls = generator_class(kind)
    own = read_json(run / RUN_FILE).get("sampling") or {}
    chosen = parse_config(
        cls.sampling_settings, merged(own, read_settings(None, sampling)), str(run / RUN_FILE)
    )
    encoders = {part.encoded_by for part in cls.parts.values()}
    parts: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for name, part in cls.parts.items():
        path = checkpoint_path(run, name, "best" if name in encoders else which)
        if not path.is_file():
            if name in optional_parts(cls):
                continue
            raise WeightsError(f"{path}: missing; train it with: hero-train {name} DATA --out {run}")
        parts[name], origins[name] = load_network(path, part)
        if part.encoded_by is not None:
            _check_encoder(origins[name], part.encoded_by, parts[part.encoded_by], run)
    return LoadedRun(run, cls(parts, chosen).eval(), origins)


def load_generator(run: Path, which: Which = "best", sampling: Sequence[str] = ()) -> Generator:
    """The generator of a run; see :func:`load_run`."""
    return load_run(run, which, sampling).generator


def load_evaluator(path: Path, name: str = EVALUATOR) -> tuple[MotionEvaluator, Origin]:
    """An evaluator of a run, or of a checkpoint.

    Raises:
        WeightsError: none there, damaged, or one that sees something else of motions.
    """
    evaluator, origin = load_network(find_checkpoint(path, name), MotionEvaluator)
    if evaluator.config.sees != EVALUATORS[name]:
        raise WeightsError(
            f"{origin.path}: an evaluator of {evaluator.config.sees}; this is to be one of {EVALUATORS[name]} ({name})"
        )
    return evaluator, origin


def _check_encoder(origin: Origin, name: str, encoder: Any, run: Path) -> None:
    recorded, found = origin.metadata.get(ENCODED_BY_KEY), sha256_of_tensors(encoder.state_dict())
    if recorded is None:
        raise FingerprintError(
            f"{origin.path}: does not say which {name} it was trained with ({ENCODED_BY_KEY})"
        )
    if recorded != found:
        raise FingerprintError(
            f"{origin.path}: trained with {name} {recorded[:12]}, but {checkpoint_path(run, name)} is {found[:12]}; "
            f"its tokens mean other motions. Train this part again, or bring back the {name} it was trained with"
        )
