"""Everything that a run needs to go on exactly where it stopped, in one file that is written atomically."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hero_core.checkpoints import load_state
from hero_core.errors import ConfigError, WeightsError
from hero_core.files import atomic_path

SCHEMA = "hero-training-state/1"


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
class Position:
    """Where a run is: steps done, the best so far, and the losses that are not in the log yet."""

    step: int = 0
    best: Best | None = None
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True)
class Trainee:
    """What training changes: model, optimiser, and the generator that every explicit draw comes from."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    rng: torch.Generator
    device: torch.device


def save_training_state(
    path: Path, trainee: Trainee, position: Position, identity: Mapping[str, str]
) -> None:
    """Write model, optimiser, all random states and the position; ``identity`` says whose they are."""
    tensors = {f"model.{name}": tensor for name, tensor in trainee.module.state_dict().items()}
    for index, state in trainee.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
    tensors |= {f"random.{name}": state for name, state in _random_states(trainee).items()}
    header = {"schema": SCHEMA, "position": asdict(position), "identity": dict(identity)}
    with atomic_path(path) as temporary:
        save_file(
            {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()},
            temporary,
            metadata={"hero": json.dumps(header, sort_keys=True, allow_nan=False)},
        )


def load_training_state(path: Path, trainee: Trainee, identity: Mapping[str, str]) -> Position:
    """Put model, optimiser and random states back, and return the position.

    Raises:
        WeightsError: the file is damaged or does not fit the model.
        ConfigError: the run had other settings, data or inputs; names which.
    """
    require_same_run(path, identity)
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "random": {}}
    for name, tensor in _read_tensors(path).items():
        group, _, rest = name.partition(".")
        groups[group][rest] = tensor
    load_state(trainee.module, groups["model"], path)
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in groups["optimizer"].items():
        index, _, moment = name.partition(".")
        moments.setdefault(int(index), {})[moment] = tensor
    settings = trainee.optimizer.state_dict()["param_groups"]
    trainee.optimizer.load_state_dict({"state": moments, "param_groups": settings})
    _set_random_states(trainee, groups["random"])
    return _position(_read_header(path)["position"])


def require_same_run(path: Path, identity: Mapping[str, str]) -> None:
    """Check whose state a file holds, without loading it.

    Raises:
        WeightsError: the file is damaged.
        ConfigError: the run had other settings, data or inputs; names which.
    """
    saved = _read_header(path)["identity"]
    different = [
        name for name in sorted(saved.keys() | identity.keys()) if saved.get(name) != identity.get(name)
    ]
    if different:
        raise ConfigError(
            f"{path.parent.parent}: cannot resume, not the same {', '.join(different)} as when this run started; "
            "resume with what it had (--resume alone keeps its settings), or choose another --out"
        )


def _read_header(path: Path) -> dict[str, Any]:
    with _opened(path) as file:
        header: dict[str, Any] = json.loads((file.metadata() or {}).get("hero", "{}"))
    if header.get("schema") != SCHEMA:
        raise WeightsError(f"{path}: training state of version {header.get('schema')!r}, expected {SCHEMA!r}")
    return header


def _read_tensors(path: Path) -> dict[str, Tensor]:
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise WeightsError(f"{path}: damaged training state: {error}; start again in another --out") from None


def _random_states(trainee: Trainee) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state(), "explicit": trainee.rng.get_state()}
    if trainee.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(trainee.device)
    return states


def _set_random_states(trainee: Trainee, states: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    trainee.rng.set_state(states["explicit"])
    if trainee.device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], trainee.device)


def _position(values: Mapping[str, Any]) -> Position:
    best = values["best"]
    return Position(values["step"], Best(**best) if best else None, Tally(**values["tally"]))
