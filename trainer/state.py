"""Everything that a run needs to go on exactly where it stopped, in one file that is written atomically."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hero_core.errors import ConfigError, WeightsError
from hero_core.models.checkpoint import Snapshot, read_header, require_state, unpack
from hero_core.models.ranks import ALONE, Ranks
from trainer.averages import Averages

SCHEMA = "hero-training-state/2"

_ANEW = "restore it from a copy, or train this part anew with another --out"
_DAMAGE = (
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
)  # what torch meets in a state that is none

PROCESSES = "processes"
"""In the identity of a run: how many train it together, each with random states of its own; not there for one."""


@dataclass
class Tally:
    """Sums of the losses since the last line of the log."""

    steps: int = 0
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, values: Mapping[str, float]) -> None:
        """Count one step."""
        self.steps += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        """Means over the counted steps."""
        return {name: total / self.steps for name, total in self.sums.items()}


@dataclass(frozen=True)
class Best:
    """The lowest validation metric so far, and when."""

    value: float
    step: int


@dataclass
class TrainingState:
    """What training changes.

    Attributes:
        module: everything with weights.
        optimizer: of the module's weights.
        rng: that every explicit draw comes from; of several ranks, all have the same.
        device: of all of them.
        averages: of the weights, where the settings want them.
        step: steps done.
        best: the best validation so far.
        tally: the losses that are not in the log yet.
        ranks: the processes that train together; each has a state, and they differ in the global random numbers alone.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    rng: torch.Generator
    device: torch.device
    averages: Averages | None = None
    step: int = 0
    best: Best | None = None
    tally: Tally = field(default_factory=Tally)
    ranks: Ranks = ALONE

    def snapshot(self, identity: Mapping[str, str]) -> Snapshot:
        """Everything and the random states of all ranks, which all have to call this, for a file.

        ``identity`` says whose they are.
        """
        tensors = {f"model.{name}": tensor for name, tensor in self.module.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
        if self.averages is not None:
            tensors |= {f"average.{name}": tensor for name, tensor in self.averages.values.items()}
        tensors |= {f"random.{name}": state for name, state in self._random_states().items()}
        position = {"step": self.step, "best": self.best and asdict(self.best), "tally": asdict(self.tally)}
        header = {"schema": SCHEMA, "position": position, "identity": dict(identity)}
        return Snapshot.of(tensors, header)

    def load(self, path: Path, identity: Mapping[str, str]) -> None:
        """Put everything and the random states back.

        Raises:
            WeightsError: the file is damaged or does not fit the model.
            ConfigError: the run had other settings, data or inputs; names which.
        """
        header, tensors = unpack(path.read_bytes(), path)
        _require_same_run(path, header, identity)
        try:
            self._take(header["position"], tensors, path)
        except _DAMAGE as error:
            raise WeightsError(f"{path}: damaged: {type(error).__name__}: {error}; {_ANEW}") from None

    def _take(self, position: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> None:
        groups: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "random": {}, "average": {}}
        for name, tensor in tensors.items():
            group, _, rest = name.partition(".")
            groups[group][rest] = tensor
        require_state(self.module.state_dict(), groups["model"], path)
        self.module.load_state_dict(groups["model"])
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in groups["optimizer"].items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = tensor
        settings = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": settings})
        if self.averages is not None:
            self.averages.load(groups["average"])
        self._set_random_states(groups["random"])
        self.step, self.tally = position["step"], Tally(**position["tally"])
        self.best = Best(**position["best"]) if position["best"] else None

    def _random_states(self) -> dict[str, Tensor]:
        states = {"cpu": self.ranks.gather(torch.get_rng_state()), "explicit": self.rng.get_state()}
        if self.device.type == "cuda":
            states["cuda"] = self.ranks.gather(torch.cuda.get_rng_state(self.device))
        return states

    def _set_random_states(self, states: Mapping[str, Tensor]) -> None:
        torch.set_rng_state(self.ranks.own(states["cpu"]).clone())  # a slice, it would not read as one
        self.rng.set_state(states["explicit"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(self.ranks.own(states["cuda"]).clone(), self.device)


def launched_by(processes: int) -> str:
    """What to write before ``hero-train`` for so many processes, which train together."""
    return "" if processes == 1 else f"torchrun --nproc-per-node {processes} --no-python "


def require_same_run(path: Path, identity: Mapping[str, str]) -> None:
    """Check whose state a file holds, without loading it.

    Raises:
        WeightsError: the file is damaged.
        ConfigError: the run had other settings, data or inputs; names which.
    """
    _require_same_run(path, read_header(path), identity)


def different(saved: Mapping[str, str], identity: Mapping[str, str]) -> list[str]:
    """Names of what two identities disagree in."""
    return [name for name in sorted(saved.keys() | identity.keys()) if saved.get(name) != identity.get(name)]


def _require_same_run(path: Path, header: Mapping[str, Any], identity: Mapping[str, str]) -> None:
    if header.get("schema") != SCHEMA:
        raise WeightsError(f"{path}: training state of version {header.get('schema')!r}, expected {SCHEMA!r}")
    if not isinstance(header.get("identity"), Mapping):
        raise WeightsError(f"{path}: damaged: does not say which run it is of; {_ANEW}")
    if wrong := different(header["identity"], identity):
        command = f"{launched_by(int(header['identity'].get(PROCESSES, '1')))}hero-train"
        started = f", by {command}" if PROCESSES in wrong else ""
        raise ConfigError(
            f"{path.parent}: cannot resume, not the same {', '.join(wrong)} as when this run started{started}; "
            "resume with what it had (--resume alone keeps its settings), or choose another --out"
        )
