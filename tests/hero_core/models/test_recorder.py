from typing import Any

import pytest
import torch
from torch import Tensor

from hero_core.models.recorder import CudaRecorder, Recordings, recordings_on

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def weighed(numbers: Tensor, ids: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid, numbers[ids], -1.0)


def inputs(size: int, seed: int, device: torch.device = CPU) -> list[Tensor]:
    """Of three types and of sizes that fill no whole place."""
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, (size,), generator=rng)
    tensors = [torch.rand(3, generator=rng), ids, torch.rand(size, generator=rng) < 0.5]
    return [each.to(device) for each in tensors]


def test_shapes_are_recorded_when_they_come_up_again_and_every_result_is_its_own(replays: Any) -> None:
    recordings = Recordings(replays, CPU)
    sizes = [5, 5, 70, 5, 70, 1, 5]  # the memory grows in between
    found, counts = [], []
    for seed, size in enumerate(sizes):
        found.append(recordings(weighed, inputs(size, seed)))
        counts.append(replays.recordings)
    assert counts == [0, 1, 1, 1, 2, 2, 2]
    for seed, (size, result) in enumerate(zip(sizes, found, strict=True)):
        assert torch.equal(result, weighed(*inputs(size, seed)))


def test_the_memory_of_many_recordings_is_one(replays: Any) -> None:
    recordings = Recordings(replays, CPU)
    places = set[int]()

    def spy(*tensors: Tensor) -> Tensor:
        places.update(each.untyped_storage().data_ptr() for each in tensors)
        return weighed(*tensors)

    for size in (100, 100, 3, 3, 50, 50, 100):
        recordings(spy, inputs(size, 0))
    assert len(places) == 1


def test_what_it_is_bound_to_has_recordings_of_its_own(replays: Any) -> None:
    recordings = Recordings(replays, CPU)
    for bound in ("one", "other", "one", "other", "one"):
        recordings(weighed, inputs(4, 0), bound)
    assert replays.recordings == 2


def test_only_those_that_were_used_last_are_kept(replays: Any) -> None:
    recordings = Recordings(replays, CPU, most=2)
    for size in (1, 1, 2, 2, 1, 3, 3):  # 2 was used before 1, and goes
        recordings(weighed, inputs(size, 0))
    assert replays.recordings == 3
    recordings(weighed, inputs(1, 0))
    assert replays.recordings == 3
    recordings(weighed, inputs(2, 0))
    recordings(weighed, inputs(2, 0))
    assert replays.recordings == 4


def test_nothing_is_recorded_on_a_cpu() -> None:
    assert recordings_on(CPU) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_plays_back_what_it_would_have_done() -> None:
    recordings = recordings_on(CUDA)
    assert recordings is not None
    for seed, size in enumerate([5, 5, 5, 70, 70, 5, 70, 1, 5]):
        found = recordings(weighed, inputs(size, seed, CUDA))
        assert torch.equal(found.cpu(), weighed(*inputs(size, seed)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_recording_draws_anew_each_time() -> None:
    recorder, rng = CudaRecorder(CUDA), torch.Generator(CUDA).manual_seed(0)

    def draw() -> Tensor:
        return torch.rand(8, generator=rng, device=CUDA)

    recorder.unrecorded(draw)
    play = recorder.record(draw, rng)
    assert not torch.equal(play(), play())
