import math
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist

from hero_core.models.base import Batch, VideoFeatures
from hero_core.models.generators.hero.masked import MaskedConfig, MaskedTransformer
from hero_core.models.ranks import ALONE, Ranks
from hero_core.models.recorder import CudaRecorder
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from trainer.config import TrainingConfig
from trainer.schedules import learning_rate
from trainer.state import TrainingState
from trainer.steps import STEPS_BEFORE_RECORDING, EagerStep, RecordedStep, optimizer_of, step_of

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
TRAINING = TrainingConfig(lr=1e-3, warmup_steps=3, milestones=(6,), gradient_clip=1.0)
STEPS = 9

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def masked():
    torch.manual_seed(0)
    sizes = {"code_dim": 8, "latent_dim": 16, "ff_size": 16, "layers": 2, "heads": 2, "intention_heads": 2}
    return MaskedTransformer(
        MaskedConfig(codebook_size=8, feature_dim=8, dropout=0.0, intention_dropout=0.0, **sizes)
    )


def rvq():
    torch.manual_seed(0)
    return RvqTokenizer(RvqConfig(width=16, code_dim=8, codebook_size=8, quantizers=3, depth=1, dropout=0.0))


def pairs(step, device):
    """Of two shapes in turn."""
    rng = torch.Generator().manual_seed(step)
    size = 6 + step % 2
    lengths = torch.randint(1, size + 1, (4,), generator=rng)
    frames = torch.randn(4, 3, 8, generator=rng)
    video = VideoFeatures(frames, frames.mean(dim=1), torch.arange(3.0).expand(4, -1))
    tokens = torch.randint(8, (4, size, 1), generator=rng)
    most = None if device.type == "cpu" else 4 * size
    keys = tuple("abcd")
    return Batch(keys, 4 * lengths, condition=video, encoded=tokens, most_tokens=most).to(device)


def windows(step, device):
    motion = torch.randn(4, 8, 263, generator=torch.Generator().manual_seed(step))
    return Batch(tuple("abcd"), torch.full((4,), 8), motion).to(device)


def state_of(part, device, ranks=ALONE):
    rng = torch.Generator(device).manual_seed(0)
    return TrainingState(part.to(device), optimizer_of(part, TRAINING, device), rng, device, ranks=ranks)


def run(part, batch_of, device, make, ranks=ALONE):
    """Values of each step ``(steps, k)``, and the weights in the end."""
    state = state_of(part, device, ranks)
    step = make(EagerStep(part, state, TRAINING, device, part.losses))
    rows = []
    for number in range(STEPS):
        rows.append(step(replace(batch_of(number, device), ranks=ranks)))
        state.step += 1
    assert step.names[0] == "total"
    assert step.names[-1] == "gradient_norm"
    return torch.stack(rows).cpu(), {name: value.cpu() for name, value in part.state_dict().items()}


class Replays:
    """A recorder without a GPU: it does again what it was given."""

    def __init__(self):
        self.recordings = 0

    def unrecorded(self, function):
        return function()

    def record(self, function, rng):
        self.recordings += 1
        return function


@pytest.mark.parametrize(("make", "batch_of", "shapes"), [(masked, pairs, 2), (rvq, windows, 1)])
def test_recorded_steps_are_those_that_were_not_recorded(make, batch_of, shapes):
    recorder = Replays()
    plain, weights = run(make(), batch_of, CPU, lambda step: step)
    played, others = run(make(), batch_of, CPU, lambda step: RecordedStep(step, recorder))
    assert recorder.recordings == shapes
    assert STEPS > STEPS_BEFORE_RECORDING + 2
    assert torch.equal(plain, played)
    assert all(torch.equal(weights[name], others[name]) for name in weights)


@needs_gpu
@pytest.mark.parametrize(("make", "batch_of"), [(masked, pairs), (rvq, windows)])
def test_a_gpu_plays_back_what_it_would_have_done(make, batch_of):
    plain, weights = run(make(), batch_of, CUDA, lambda step: step)
    played, others = run(make(), batch_of, CUDA, lambda step: RecordedStep(step, CudaRecorder(CUDA)))
    torch.testing.assert_close(plain, played, atol=1e-4, rtol=1e-3)
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], atol=1e-4, rtol=1e-3)


@pytest.fixture(scope="module")
def over_nccl(tmp_path_factory):
    """A single process that talks to itself over NCCL, which is all that one GPU allows."""
    store = tmp_path_factory.mktemp("nccl") / "store"
    dist.init_process_group("cpu:gloo,cuda:nccl", init_method=f"file://{store}", rank=0, world_size=1)
    yield Ranks(dist.group.WORLD)
    dist.destroy_process_group()


@needs_gpu
@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(("make", "batch_of"), [(masked, pairs), (rvq, windows)])
def test_steps_that_are_shared_over_nccl(over_nccl, make, batch_of, recorded):
    plain, weights = run(make(), batch_of, CUDA, lambda step: step)
    shared, others = run(
        make(),
        batch_of,
        CUDA,
        lambda step: RecordedStep(step, CudaRecorder(CUDA)) if recorded else step,
        over_nccl,
    )
    torch.testing.assert_close(plain, shared, atol=1e-4, rtol=1e-3)
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], atol=1e-4, rtol=1e-3)


@needs_gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_learns_in_either_precision(precision):
    part = masked().to(CUDA)
    training = TrainingConfig(lr=3e-3, precision=precision)
    rng = torch.Generator(CUDA).manual_seed(0)
    state = TrainingState(part, optimizer_of(part, training, CUDA), rng, CUDA)
    step = step_of(part, state, training, CUDA)
    assert isinstance(step, RecordedStep)
    losses = []
    for _ in range(60):
        losses.append(step(pairs(0, CUDA))[0])
        state.step += 1
    assert torch.stack(losses[-10:]).mean() < 0.8 * torch.stack(losses[:10]).mean()


def test_the_rate_follows_the_schedule():
    part = masked()
    state = state_of(part, CPU)
    step = EagerStep(part, state, TRAINING, CPU, part.losses)
    for number in range(STEPS):
        step(pairs(number, CPU))
        assert state.optimizer.param_groups[0]["lr"] == learning_rate(TRAINING, number + 1)
        state.step += 1


def test_a_step_that_is_not_finite_and_those_after_it_leave_the_weights():
    part = masked()
    state = state_of(part, CPU)
    step = EagerStep(part, state, TRAINING, CPU, part.losses)
    assert step(pairs(0, CPU)).isfinite().all()
    before = {name: value.clone() for name, value in part.state_dict().items()}
    broken = pairs(1, CPU)
    broken.video.frames.fill_(math.nan)
    assert not step(broken).isfinite().all()
    step(pairs(2, CPU))
    assert all(torch.equal(before[name], value) for name, value in part.state_dict().items())
