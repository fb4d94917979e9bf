"""Work on a GPU that is recorded once and played back, so that Python and launching cost next to nothing."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from threading import Lock
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

MOST_RECORDINGS = 16
_ALIGNMENT = 256  # bytes, as the allocators keep


class Recorder(Protocol):
    """Records what is done on a device, so that doing it again costs one call."""

    def unrecorded(self, function: Callable[[], Tensor]) -> Tensor:
        """Do something of what is to be recorded later; sets up what cannot be set up in a recording."""
        ...

    def record(
        self, function: Callable[[], Tensor], rng: torch.Generator | None = None
    ) -> Callable[[], Tensor]:
        """What does again, on the same memory, what the function does; nothing is done yet.

        Args:
            function: of operations on the device alone.
            rng: that it draws from, besides the global generator.
        """
        ...


class CudaRecorder:
    """Records CUDA graphs, which share their memory: only one plays at a time."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def unrecorded(self, function: Callable[[], Tensor]) -> Tensor:
        """See :class:`Recorder`."""
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            values = function()
        current.wait_stream(self._stream)
        return values

    def record(
        self, function: Callable[[], Tensor], rng: torch.Generator | None = None
    ) -> Callable[[], Tensor]:
        """See :class:`Recorder`."""
        graph = torch.cuda.CUDAGraph()
        if rng is not None:
            graph.register_generator_state(rng)
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            values = function()

        def play() -> Tensor:
            graph.replay()
            return values.clone()

        return play


class _Recording(NamedTuple):
    inputs: list[Tensor]
    play: Callable[[], Tensor]


class Recordings:
    """Does work on tensors, and records it the second time that their shapes come up.

    At most ``most`` recordings are kept, those that were used last. As only one plays at a time, their inputs lie in
    the same memory; it doubles when it is too small, and what older recordings hold is then no more than that again.
    """

    def __init__(self, recorder: Recorder, device: torch.device, most: int = MOST_RECORDINGS) -> None:
        self._recorder, self._most = recorder, most
        self._kept: dict[Hashable, _Recording | None] = {}  # None where the shapes came up once
        self._memory = torch.empty(0, dtype=torch.uint8, device=device)
        self._lock = Lock()

    def __call__(
        self, function: Callable[..., Tensor], inputs: Sequence[Tensor], bound: Hashable = None
    ) -> Tensor:
        """``function(*inputs)``, in memory of its own.

        Args:
            function: of operations on the device alone, whose shapes follow from those of the inputs; always the same.
            inputs: on the device, or in pinned memory.
            bound: whatever else the result depends on; of another, there is another recording.
        """
        key = bound, tuple((each.shape, each.dtype) for each in inputs)
        with self._lock:
            known, recording = key in self._kept, self._kept.pop(key, None)
            views = recording.inputs if recording else self._room_for(inputs)
            for view, each in zip(views, inputs, strict=True):
                view.copy_(each, non_blocking=True)
            work = partial(function, *views)
            if recording is None and known:
                recording = _Recording(views, self._recorder.record(work))
            self._kept[key] = recording
            while len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
            return recording.play() if recording else self._recorder.unrecorded(work)

    def _room_for(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Tensors like the inputs, in the memory of all recordings."""
        sizes = [-(-each.nbytes // _ALIGNMENT) * _ALIGNMENT for each in inputs]
        if sum(sizes) > len(self._memory):
            self._memory = self._memory.new_empty(2 * sum(sizes))
        places = torch.split(self._memory[: sum(sizes)], sizes)
        return [
            place[: each.nbytes].view(each.dtype).view(each.shape)
            for place, each in zip(places, inputs, strict=True)
        ]


def recordings_on(device: torch.device) -> Recordings | None:
    """Where recording is possible: on a GPU."""
    return Recordings(CudaRecorder(device), device) if device.type == "cuda" else None
