import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hero_core.models.attention import Memory
from hero_core.models.base import Batch, VideoFeatures
from hero_core.models.checkpoint import load_network, save_network
from hero_core.models.generators.hero.residual import (
    CodeTables,
    LayerDraws,
    ResidualConfig,
    ResidualTransformer,
)
from hero_core.models.generators.hero.settings import HeroSampling
from hero_core.models.generators.hero.transformer import Context
from hero_core.models.padding import valid_mask
from hero_core.models.sampling import Uniform, uniform_from

CONFIG = ResidualConfig(
    codebook_size=8,
    code_dim=12,
    quantizers=4,
    latent_dim=16,
    ff_size=24,
    layers=1,
    heads=2,
    max_tokens=10,
    feature_dim=16,
    intention_heads=2,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn() -> Uniform:
    return uniform_from(seeded(), torch.device("cpu"))


def video(batch: int, seed: int = 0) -> VideoFeatures:
    frames = torch.randn(batch, 4, CONFIG.feature_dim, generator=seeded(seed))
    return VideoFeatures(frames, frames.mean(dim=1), torch.arange(frames.shape[1]).expand(batch, -1) / 4)


def tokens_of(lengths: Tensor, seed: int = 0) -> Tensor:
    size = int(lengths.max())
    shape = (len(lengths), size, CONFIG.quantizers)
    tokens = torch.randint(CONFIG.codebook_size, shape, generator=seeded(seed))
    return tokens.masked_fill(~valid_mask(lengths, size)[..., None], -1)


def batch_of(lengths: Tensor) -> Batch:
    tokens = tokens_of(lengths)
    keys = tuple(map(str, range(len(tokens))))
    return Batch(keys, 4 * lengths, condition=video(len(tokens)), encoded=tokens)


@pytest.fixture(params=[False, True], ids=["own tables", "shared tables"])
def model(request: pytest.FixtureRequest) -> ResidualTransformer:
    return ResidualTransformer(CONFIG.model_copy(update={"share_weights": request.param}))


def test_layers_are_drawn_by_the_cosine_schedule() -> None:
    draws = LayerDraws.draw(100_000, 6, 0.1, seeded(), torch.device("cpu"))
    shares = draws.layer.bincount(minlength=6) / len(draws.layer)
    expected = torch.tensor([0, 0.321, 0.248, 0.186, 0.165, 0.080])
    torch.testing.assert_close(shares, expected, atol=0.005, rtol=0)
    assert draws.drop_condition.float().mean().item() == pytest.approx(0.1, abs=0.005)


def test_two_quantizers_leave_one_layer_to_draw() -> None:
    assert set(LayerDraws.draw(100, 2, 0.0, seeded(), torch.device("cpu")).layer.tolist()) == {1}


def test_shared_tables_predict_a_layer_with_the_vectors_that_embed_it() -> None:
    tables = CodeTables(quantizers=4, classes=9, code_dim=5, share=True)
    assert tables.embed.shape == tables.predict.shape == (3, 9, 5)
    assert torch.equal(tables.embed[1:], tables.predict[:-1])
    own = CodeTables(quantizers=4, classes=9, code_dim=5, share=False)
    assert own.embed.shape == own.predict.shape == (3, 9, 5)
    assert not torch.equal(own.embed[1:], own.predict[:-1])


def test_history_sums_the_layers_below(model: ResidualTransformer) -> None:
    tokens, layer = tokens_of(torch.tensor([5, 5])), torch.tensor([1, 3])
    history = model.history(tokens, layer)
    embed = model.tables.embed
    torch.testing.assert_close(history[0], embed[0][tokens[0, :, 0]])
    torch.testing.assert_close(history[1], sum(embed[j][tokens[1, :, j]] for j in range(3)))


def test_layers_of_one_batch_do_not_mix(model: ResidualTransformer) -> None:
    model.eval()
    lengths, layer = torch.tensor([5, 5]), torch.tensor([1, 3])
    valid, history = valid_mask(lengths, 5), model.history(tokens_of(lengths), layer)
    context = model.decoder.context(video(2), torch.ones(2, dtype=torch.bool))
    together = model.logits(history, layer, valid, context)
    for row in range(2):
        one = slice(row, row + 1)
        frames = tuple(Memory(*(each[one] for each in memory)) for memory in context.frames)
        alone = model.logits(history[one], layer[one], valid[one], Context(context.token[one], frames))
        torch.testing.assert_close(together[one], alone, atol=1e-5, rtol=1e-5)


def test_logits_by_layer_are_those_of_each_layers_table(model: ResidualTransformer) -> None:
    vectors, layers = torch.randn(5, CONFIG.code_dim), torch.tensor([3, 1, 3, 2, 1])
    tables = model.tables
    logits = tables.logits_by_layer(vectors, layers)
    for row, layer in enumerate(layers.tolist()):
        bias = 0 if tables.bias is None else tables.bias[layer - 1]
        expected = tables.predict[layer - 1] @ vectors[row] + bias
        torch.testing.assert_close(logits[row], expected, atol=1e-6, rtol=1e-5)


def test_only_layers_below_and_the_target_matter_for_the_loss(model: ResidualTransformer) -> None:
    model.eval()
    lengths = torch.tensor([6, 4])
    tokens, draws = tokens_of(lengths), LayerDraws(torch.tensor([2, 2]), torch.zeros(2, dtype=torch.bool))
    loss = model.likelihood(tokens, lengths, video(2), draws)["total"]
    above = tokens.clone()
    above[..., 3] = (above[..., 3] + 1) % CONFIG.codebook_size
    assert model.likelihood(above, lengths, video(2), draws)["total"].item() == loss.item()
    below = tokens.clone()
    below[..., 0] = (below[..., 0] + 1) % CONFIG.codebook_size
    assert model.likelihood(below, lengths, video(2), draws)["total"].item() != loss.item()


def test_losses_repeat_with_the_generator_and_start_near_chance(model: ResidualTransformer) -> None:
    model.eval()
    lengths = torch.tensor([10, 7, 4])
    first, again = (model.losses(batch_of(lengths), seeded()) for _ in range(2))
    assert first["total"].item() == again["total"].item()
    assert first["total"].item() == pytest.approx(math.log(CONFIG.codebook_size + 1), abs=0.3)


def test_losses_do_not_depend_on_the_padding_and_a_token_is_four_frames(model: ResidualTransformer) -> None:
    model.eval()
    lengths = torch.tensor([7, 4])
    batch = batch_of(lengths)
    padded = F.pad(batch.tokens, (0, 0, 0, 3))
    draws = LayerDraws.draw(2, CONFIG.quantizers, 0.0, seeded(), torch.device("cpu"))
    expected = model.likelihood(batch.tokens, lengths, batch.video, draws)["total"].item()
    losses = model.losses(replace(batch, lengths=4 * lengths + 3, encoded=padded), seeded())
    assert losses["total"].item() == pytest.approx(expected)


def test_gradients_reach_every_parameter(model: ResidualTransformer) -> None:
    lengths = torch.tensor([10, 7, 4])
    torch.autograd.backward(model.losses(batch_of(lengths), seeded())["total"])
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_generation_refines_without_touching_the_base(model: ResidualTransformer) -> None:
    lengths = torch.tensor([9, 1, 4])
    base, valid = tokens_of(lengths)[..., 0], valid_mask(lengths, 9)
    tokens = model.generate(base, video(3), lengths, drawn(), HeroSampling(top_k_ratio=1.0))
    assert tokens.shape == (3, 9, CONFIG.quantizers)
    assert torch.equal(tokens[..., 0], base)
    assert bool((tokens[~valid] == -1).all())
    assert bool(((tokens[valid] >= 0) & (tokens[valid] < CONFIG.codebook_size)).all())
    again = model.generate(base, video(3), lengths, drawn(), HeroSampling(top_k_ratio=1.0))
    assert torch.equal(tokens, again)
    assert model.training


def test_fewer_layers_are_the_first_of_all_layers(model: ResidualTransformer) -> None:
    lengths = torch.tensor([5])
    base = tokens_of(lengths)[..., 0]
    every = model.generate(base, video(1), lengths, drawn(), HeroSampling())
    for layers in (0, 2, 9):
        some = model.generate(base, video(1), lengths, drawn(), HeroSampling(residual_layers=layers))
        assert torch.equal(some, every[..., : 1 + layers])


def test_pad_inside_a_motion_is_drawn_only_where_allowed() -> None:
    lengths = torch.tensor([6])
    base = tokens_of(lengths)[..., 0]
    for allowed in (True, False):
        model = ResidualTransformer(CONFIG.model_copy(update={"allow_pad_class": allowed}))
        assert model.tables.bias is not None
        with torch.no_grad():
            model.tables.bias[:, model.pad_id] = 100.0
        tokens = model.generate(base, video(1), lengths, drawn(), HeroSampling())
        assert bool((tokens[..., 1:] == -1).all()) == allowed
        assert bool((tokens[..., 1:] >= 0).all()) != allowed


def test_the_layer_number_changes_the_prediction() -> None:
    model = ResidualTransformer(CONFIG).eval()
    nn.init.normal_(model.layer_embedding.weight)
    with torch.no_grad():
        model.tables.predict_own.copy_(model.tables.predict_own[:1].expand_as(model.tables.predict_own))
    lengths = torch.tensor([5])
    history = torch.randn(1, 5, CONFIG.code_dim)
    context = model.decoder.context(video(1), torch.ones(1, dtype=torch.bool))
    first, second = (
        model.logits(history, torch.tensor([n]), valid_mask(lengths, 5), context) for n in (1, 2)
    )
    assert not torch.allclose(first, second)


def test_checkpoint_round_trip(model: ResidualTransformer, tmp_path: Path) -> None:
    save_network(tmp_path / "best.safetensors", model, {})
    loaded, _ = load_network(tmp_path / "best.safetensors", ResidualTransformer)
    assert loaded.config == model.config
    ours, theirs = model.state_dict(), loaded.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
