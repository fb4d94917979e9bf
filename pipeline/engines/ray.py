"""Work on the machines of a Ray cluster: tasks that read, actors that hold the encoder, results in order.

Ray only carries batches, the very ones of the local engine, so the bytes are the same. A process or a machine that
dies has its batches done again elsewhere. Kept free of torch but for the actors: tasks import this file.
"""

import logging
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hero_core.errors import ConfigError, HeroError
from pipeline.engines.local import ItemLimits
from pipeline.engines.work import Engine, Finished, Work, outcomes
from pipeline.workers import Input, Outcome

try:
    import ray
    import ray.data
    from ray.exceptions import RayError
except ImportError:
    raise ConfigError("--engine ray: Ray is not installed: pip install 'hero-motion[ray]'") from None

INPUTS_PER_TASK = 16
"""At most: what is lost with a process, and 40 MB of decoded clips."""

TASKS_PER_CPU = 4
"""At least, where there are so many batches, so that all are busy to the end."""

ACTOR_STARTS = 10
"""How often in a row actors may die at their start. Whatever dies later, Ray does again."""


@dataclass(frozen=True)
class _Batch:
    """A cell of Ray's tables, which look into lists and arrays, but not in here."""

    members: Sequence[Any]


_Rows = dict[str, NDArray[np.object_]]


@contextmanager
def ray_engine(address: str | None, workers: int) -> Iterator[Engine]:
    """An engine on a cluster, which is left, or ended if it was started here, with the context.

    Args:
        address: of a running cluster, ``auto`` or ``HOST:PORT``; None starts one on this machine.
        workers: CPUs of the latter.

    Raises:
        ConfigError: there is no cluster at the address.
    """
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"--ray-address {address}: no Ray cluster answers there: {why}") from None
    try:
        _configure()
        yield _run
    finally:
        ray.shutdown()


def _configure() -> None:
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_consecutive_actor_init_deaths = ACTOR_STARTS


def _run(work: Work) -> Generator[Finished, None, None]:
    """The engine. It encodes also what is made already: only the process that writes knows of it.

    Raises:
        ConfigError: the encoder is to run on GPUs, and the cluster has none; or the source is in an object store.
        HeroError: something failed on the cluster that trying again did not mend.
    """
    recipe = work.recipe
    if not work.batches:
        return
    if recipe.stored is not None:
        raise ConfigError(
            f"--engine ray: its machines read no {recipe.stored.address}; name a folder that all of them see, or share "
            "the work out with --shard"
        )
    dataset = _encoded(_read(work), work) if recipe.encodes_on else _read(work)
    try:
        with closing(_cells(dataset)) as cells:
            for _ in work.batches:
                with work.timed("waiting for Ray"):
                    members = next(cells)
                if recipe.encodes_on:
                    yield from members
                    continue
                with work.timed(recipe.finishing):
                    finished = list(recipe.finish(members))
                yield from finished
    except RayError as error:
        why = str(error).strip().splitlines()[-1]
        raise HeroError(f"Ray: {why}; run the same command again, it goes on from here") from error


def _cells(dataset: Any) -> Generator[Sequence[Any], None, None]:
    for row in dataset.iter_rows():
        yield row["batch"].members


def _read(work: Work) -> Any:
    """A data set of batches of outcomes."""
    inputs = sum(map(len, work.batches))
    cpus = int(ray.cluster_resources().get("CPU", 1))
    tasks = min(len(work.batches), max(math.ceil(inputs / INPUTS_PER_TASK), TASKS_PER_CPU * cpus))
    batches = ray.data.from_items(
        [{"batch": _Batch(batch)} for batch in work.batches], override_num_blocks=tasks
    )
    settings = {"read": work.recipe.read, "stage": work.recipe.stage, "limits": work.limits}
    return batches.map_batches(
        _read_batches,
        fn_kwargs=settings,
        batch_size=None,
        batch_format="numpy",
        num_cpus=1,
    )


def _read_batches(
    rows: _Rows, read: Callable[[Input], Outcome], stage: str, limits: ItemLimits
) -> Iterator[_Rows]:
    """What a task does: one process that may be killed reads all inputs of some batches."""
    items = [item for batch in rows["batch"] for item in batch.members]
    with closing(outcomes(read, stage, items, 1, limits)) as found:
        for batch in rows["batch"]:
            yield _row([next(found) for _ in batch.members])


def _encoded(batches: Any, work: Work) -> Any:
    """A data set of finished batches: an actor on every GPU, or one on every machine beside its tasks."""
    import torch

    resources = ray.cluster_resources()
    on_gpu = work.recipe.encodes_on == "cuda"
    actors = int(resources.get("GPU", 0)) if on_gpu else sum(node["Alive"] for node in ray.nodes())
    if not actors:
        raise ConfigError("--engine ray: the Ray cluster has no GPU; use --device cpu, or machines with GPUs")
    return batches.map_batches(
        _Encoder,
        fn_constructor_args=[[ray.put(work.recipe.finish)], torch.get_num_threads()],
        compute=ray.data.ActorPoolStrategy(size=actors),
        batch_size=1,
        batch_format="numpy",
        num_cpus=0,  # on a CPU it computes beside the tasks, which have all of them, as the local engine does
        num_gpus=1 if on_gpu else 0,
    )


class _Encoder:
    """An actor, with its encoder."""

    def __init__(self, finish: Sequence[Any], threads: int) -> None:
        """Fetch the encoder, once, to where the actor computes."""
        import torch

        torch.set_num_threads(threads)  # Ray would allow one, and sums may round otherwise then
        self._finish: Callable[[Sequence[Outcome]], Iterator[Finished]] = ray.get(finish[0])

    def __call__(self, rows: _Rows) -> _Rows:
        """Encode a batch of clips."""
        (batch,) = rows["batch"]
        return _row(list(self._finish(batch.members)))


def _row(members: Sequence[Any]) -> _Rows:
    cell: NDArray[np.object_] = np.empty(1, object)
    cell[0] = _Batch(members)
    return {"batch": cell}
