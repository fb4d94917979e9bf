"""What an import makes: models of ours, and a run folder that says where they came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hero_core.errors import WeightsError
from hero_core.models.checkpoint import Snapshot, save_network
from hero_core.models.tc_clip.tower import TcClip
from hero_core.official.find import Candidate, Skipped
from hero_core.official.identify import Kind
from hero_core.runs import RUN_FILE, checkpoint_path, describe_run
from hero_core.storage import read_json, sha256_of_file, write_bytes

TRAINED_ON_TEXTS = "trained on texts: a start to train from, not a model that reacts to videos"


@dataclass(frozen=True)
class Imported:
    """A model of ours, where it came from, what to tell people, and what to store with it."""

    source: Candidate
    model: Any
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def destination(self, run: Path) -> Path:
        """Where it goes."""
        return destination_of(self.source.kind, run)


@dataclass(frozen=True)
class ImportReport:
    """What was imported into a run and what was not."""

    run: Path
    imported: tuple[Imported, ...]
    skipped: tuple[Skipped, ...]

    def lines(self) -> list[str]:
        """For people."""
        lines: list[str] = []
        for model in self.imported:
            lines.append(f"{model.source.kind}: {model.source.path} -> {model.destination(self.run)}")
            lines += [f"  {note}" for note in model.notes]
        return lines + [f"skipped {file.path}: {file.reason}" for file in self.skipped]


def destination_of(kind: Kind, run: Path) -> Path:
    """Where a run keeps a model of this kind."""
    return run / kind / "model.safetensors" if kind == "tc_clip" else checkpoint_path(run, kind)


def require_sizes(
    model: Any, tokenizer: Any, names: Sequence[str], path: Path, hint: str | None = None
) -> None:
    """Refuse a transformer that was made for another tokenizer.

    Raises:
        WeightsError: one of the settings ``names`` differs; ``hint`` says what else it may be.
    """
    differing = [
        f"{name} {mine}, not {theirs}"
        for name in names
        if (mine := getattr(model.config, name)) != (theirs := getattr(tokenizer.config, name))
    ]
    if differing:
        more = f"; {hint}" if hint else ""
        raise WeightsError(f"{path}: does not fit its tokenizer: {', '.join(differing)}{more}")


def write_run(
    imported: Sequence[Imported], skipped: Sequence[Skipped], generator: str, src: Path, dst: Path
) -> None:
    """Write all models and what is known of their origin; what ``dst`` holds of earlier imports stays."""
    earlier = read_json(dst / RUN_FILE).get("imported", {}) if (dst / RUN_FILE).is_file() else {}
    models: dict[str, object] = dict(earlier.get("models", {}))
    for one in imported:
        source, destination = one.source, one.destination(dst)
        origin = {
            "imported_from": str(source.path),
            "source_sha256": sha256_of_file(source.path),
            "epoch": source.epoch,
            **one.metadata,
        }
        if isinstance(one.model, TcClip):
            write_bytes(destination, Snapshot.of(one.model.state_dict(), origin).to_bytes())
        else:
            save_network(destination, one.model, origin)
        models[source.kind] = {"name": source.name, **origin, "notes": list(one.notes)}
    left_out = [{"file": str(file.path), "reason": file.reason} for file in skipped]
    describe_run(dst, generator, imported={"source": str(src), "models": models, "skipped": left_out})
