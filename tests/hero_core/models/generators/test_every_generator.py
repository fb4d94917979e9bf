"""What every generator promises, whatever it is made of."""

from typing import Any

import pytest
import torch

from hero_core.errors import InputError
from hero_core.models import generators  # noqa: F401  registers them
from hero_core.models.base import Generator, Reactions, VideoFeatures, generator_class
from hero_core.models.tokenizers.rvq import RvqTokenizer

KINDS = ("hero", "momask", "bamm", "t2mgpt", "mdm", "mld")
SIZES: dict[str, Any] = {
    "codebook_size": 8,
    "code_dim": 12,
    "latent_dim": 16,
    "width": 16,
    "depth": 1,
    "ff_size": 24,
    "layers": 3,
    "heads": 2,
    "max_tokens": 10,
    "max_frames": 40,
    "position_rows": 42,
    "diffusion_steps": 12,
    "feature_dim": 16,
    "intention_heads": 2,
}
QUANTIZERS = {"hero": 3, "momask": 3, "bamm": 3, "t2mgpt": 1}


def make(kind: str, use_iie: bool = False) -> Generator:
    torch.manual_seed(0)
    cls = generator_class(kind)
    sizes = SIZES | {"use_iie": use_iie, "quantizers": QUANTIZERS.get(kind)}
    parts = {}
    for name, part in cls.parts.items():
        fields = part.settings.model_fields
        settings = {size: value for size, value in sizes.items() if size in fields}
        parts[name] = part(part.settings.model_validate(settings))
        if isinstance(parts[name], RvqTokenizer):
            for layer in parts[name].network.quantizer.codebooks:
                torch.nn.init.normal_(layer.codebook)
    with torch.no_grad():  # so that what the condition says makes a difference
        for weight in [weight for part in parts.values() for weight in part.parameters()]:
            weight.add_(0.2 * torch.randn(weight.shape))
    steps = {"steps": 4} if "steps" in cls.sampling_settings.model_fields else {}
    generator: Generator = cls(parts, cls.sampling_settings(**steps)).eval()
    return generator


def video(batch: int) -> VideoFeatures:
    frames = torch.randn(batch, 4, 16, generator=torch.Generator().manual_seed(1))
    return VideoFeatures(frames, frames.mean(dim=1), torch.arange(4).expand(batch, -1) / 4)


def react(generator: Generator, lengths: list[int], shown: VideoFeatures | None = None) -> Reactions:
    shown = video(len(lengths)) if shown is None else shown
    return generator.generate(shown, torch.tensor(lengths), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [[4], [40], [43 - 4, 7, 4], [8, 40]])
def test_reactions_have_the_whole_tokens_of_the_lengths_asked_for(kind: str, lengths: list[int]) -> None:
    generator = make(kind)
    assert generator.max_length == 40
    motion, made = react(generator, lengths)
    assert made.tolist() == [length // 4 * 4 for length in lengths]
    assert made.dtype == torch.int64
    assert motion.shape == (len(lengths), max(made.tolist()), 263)
    for row, length in enumerate(made.tolist()):
        assert motion[row, :length].isfinite().all()
        assert motion[row, :length].any(dim=-1).all()
        assert not motion[row, length:].any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [[3], [44], [8, 8, 8]])
def test_other_lengths_are_refused(kind: str, lengths: list[int]) -> None:
    with pytest.raises(InputError):
        react(make(kind), lengths, video(1))


@pytest.mark.parametrize("kind", KINDS)
def test_it_chooses_lengths_or_says_that_it_does_not(kind: str) -> None:
    generator, rng = make(kind), torch.Generator().manual_seed(0)
    if not generator.chooses_length:
        with pytest.raises(InputError, match="give a length for each video"):
            generator.generate(video(2), None, rng)
        return
    motion, made = generator.generate(video(5), None, rng)
    assert set(made.tolist()) <= set(range(4, 41, 4))
    assert motion.shape == (5, int(made.max()), 263)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use_iie", [False, True])
def test_the_frames_are_seen_where_iie_is_on(kind: str, use_iie: bool) -> None:
    if kind == "hero":
        pytest.skip("its units see them anyway")
    generator, shown = make(kind, use_iie), video(2)
    others = shown._replace(frames=-shown.frames)
    one, other = (react(generator, [40, 24], each).motion for each in (shown, others))
    assert torch.equal(one, other) != use_iie


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_cpu_generator_gives_the_same_reactions_on_a_gpu(kind: str) -> None:
    generator = make(kind, use_iie=True)
    expected, lengths = react(generator, [40, 24, 8])
    found = react(generator.to(torch.device("cuda")), [40, 24, 8], video(3).to(torch.device("cuda")))
    assert found.lengths.device.type == "cpu"
    assert torch.equal(found.lengths, lengths)
    torch.testing.assert_close(found.motion.cpu(), expected, atol=1e-3, rtol=1e-3)
