"""BAMM's transformer against numbers made by running the official one with a vector where the text was.

What stands behind END means nothing, neither what goes in nor what comes out, and is not compared.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hero_core.models.base import VideoFeatures
from hero_core.models.generators.bamm import BammSampling, BammTransformer
from hero_core.models.generators.bamm.passes import BaseTokens, first_pass, second_pass, to_remake
from hero_core.models.generators.bamm.transformer import (
    GIVEN_CHANCE,
    MOST_GIVEN,
    HybridDraws,
    hybrid_attention,
)
from hero_core.models.padding import valid_mask
from hero_core.models.sampling import Guidance, Uniform
from hero_core.official.bamm import convert_bamm, rename_bamm
from tests.parity.baselines.official import (
    GRADIENT_TOLERANCE,
    GUIDED_TOLERANCE,
    LOGITS_TOLERANCE,
    LOSS_TOLERANCE,
    WEIGHTS_TOLERANCE,
    gradients_of,
    state_of,
    train,
    write_model,
)

Arrays = dict[str, Tensor]
GIVEN_SETS = ("none", "end", "some")


class Fixture:
    """The numbers, and the model with the official weights."""

    def __init__(self, folder: Any, tmp: Any) -> None:
        self.arrays, self.facts = folder.arrays, folder.facts
        self.sizes = folder.facts["hyperparameters"]
        weights = write_model(tmp, "t2m_transformer", state_of(folder.arrays("weights")), folder.facts)
        self.official = convert_bamm(weights, weights.parent.parent / "opt.txt")

    def model(self, **changes: object) -> BammTransformer:
        model = BammTransformer(self.official.config.model_copy(update=changes))
        model.load_state_dict(self.official.state_dict())
        return model.eval()


@pytest.fixture(scope="module")
def fixture(open_folder: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Fixture:
    return Fixture(open_folder("baselines/bamm"), tmp_path_factory.mktemp("bamm") / "model")


def condition_of(arrays: Arrays) -> VideoFeatures:
    feature = arrays["cond"]
    return VideoFeatures(
        torch.zeros(len(feature), 3, feature.shape[1]), feature, torch.zeros(len(feature), 3)
    )


def test_config_states_the_official_sizes(fixture: Fixture) -> None:
    config, expected = fixture.official.config, fixture.sizes
    assert config.codebook_size == expected["num_tokens"]
    assert config.code_dim == expected["code_dim"]
    assert config.latent_dim == expected["latent_dim"]
    assert config.ff_size == expected["ff_size"]
    assert config.layers == expected["num_layers"]
    assert config.heads == expected["num_heads"]
    assert config.feature_dim == expected["clip_dim"]
    assert config.dropout == expected["dropout"]
    assert config.condition_drop == expected["cond_drop_prob"]
    assert BammSampling().guidance_scale == expected["first_pass_guidance"]
    assert BammSampling().second_guidance_scale == expected["second_pass_guidance"]


def ids_of(model: BammTransformer, ids: Tensor) -> Tensor:
    """The official ids, of which those behind END have no embedding here."""
    return ids.clamp(max=model.end_id)


def given_of(model: BammTransformer, arrays: Arrays, name: str) -> Tensor:
    """True where the official array of given ids names one."""
    if name == "none":
        return torch.zeros_like(arrays["ids"], dtype=torch.bool)
    return arrays[f"cond_idx_{name}"] <= model.end_id


@pytest.mark.parametrize("name", GIVEN_SETS)
def test_hybrid_attention(fixture: Fixture, name: str) -> None:
    arrays = fixture.arrays("forward")
    given = given_of(fixture.official, arrays, name)
    assert torch.equal(hybrid_attention(given), arrays[f"attention_{name}"])


@torch.no_grad()
@pytest.mark.parametrize("name", GIVEN_SETS)
def test_logits_plain_guided_and_unconditional(fixture: Fixture, name: str) -> None:
    arrays, model = fixture.arrays("forward"), fixture.official
    ids, given = ids_of(model, arrays["ids"]), given_of(model, arrays, name)
    valid = valid_mask(arrays["m_lens"] + 2, ids.shape[1] + 1)  # the condition, the tokens and END
    scale = fixture.sizes["first_pass_guidance"]
    for official, of, tolerance in (
        ("logits", 1.0, LOGITS_TOLERANCE),
        ("logits_uncond", 0.0, LOGITS_TOLERANCE),
        ("logits_guided", scale, GUIDED_TOLERANCE),
    ):
        guidance = Guidance(of)
        context = model.context(*guidance.condition(condition_of(arrays)))
        hidden = model.hidden(guidance.rows(ids), guidance.rows(given), context)
        logits = guidance.combine(model.head(hidden))
        expected = arrays[f"{official}_{name}"].mT
        torch.testing.assert_close(logits[valid], expected[valid], atol=tolerance, rtol=0)


def draws_of(arrays: Arrays, prefix: str, step: int | None = None) -> HybridDraws:
    def recorded(name: str) -> Tensor:
        array = arrays[f"{prefix}_{name}"]
        return array if step is None else array[step]

    batch = len(arrays["cond"])
    drop = torch.zeros(batch) if step is None else recorded("cond_drop")
    given = (recorded("u_occurs") < GIVEN_CHANCE) * MOST_GIVEN * recorded("u_ratio")
    return HybridDraws(
        given_share=given.view(1),
        give=recorded("cond_uniform"),
        corrupt=recorded("corrupt"),
        random_tokens=recorded("random_ids"),
        drop_condition=drop.bool(),
    )


def losses_of(model: BammTransformer, arrays: Arrays, prefix: str, step: int | None = None) -> Arrays:
    draws = draws_of(arrays, prefix, step)
    ids = model.with_end(arrays["ids"], arrays["m_lens"])
    return model.likelihood(ids, arrays["m_lens"], condition_of(arrays), draws)


@torch.no_grad()
def test_corruption_and_given_tokens_replay_the_official_draws(fixture: Fixture) -> None:
    arrays, seen = fixture.arrays("train"), []

    class Watching(BammTransformer):
        def hidden(self, ids: Tensor, given: Tensor, *others: Any) -> Tensor:
            seen.append((ids, given))
            return super().hidden(ids, given, *others)

    model = Watching(fixture.official.config).eval()
    runs: list[tuple[str, int | None]] = [("conditioned", None), ("plain", None)]
    runs += [("train", step) for step in range(len(arrays["train_losses"]))]
    for prefix, step in runs:
        losses_of(model, arrays, prefix, step)
        ids, given = seen.pop()
        inputs, given_ids = arrays[f"{prefix}_x_ids"], arrays[f"{prefix}_cond_idx"]
        if step is not None:
            inputs, given_ids = inputs[step], given_ids[step]
        assert torch.equal(ids, ids_of(model, inputs))
        assert torch.equal(given, given_ids <= model.end_id)


@pytest.mark.parametrize("prefix", ["conditioned", "plain"])
def test_loss_and_accuracy(fixture: Fixture, prefix: str) -> None:
    arrays = fixture.arrays("train")
    losses = losses_of(fixture.model(), arrays, prefix)
    assert losses["total"].item() == pytest.approx(arrays[f"{prefix}_loss"].item(), abs=LOSS_TOLERANCE)
    assert losses["accuracy"].item() == pytest.approx(arrays[f"{prefix}_acc"].item(), abs=1e-6)


def test_gradients(fixture: Fixture) -> None:
    arrays, model = fixture.arrays("train"), fixture.model()
    losses_of(model, arrays, "conditioned")["total"].backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    recorded = rename_bamm(gradients_of(arrays))
    assert recorded
    for name, expected in recorded.items():
        gradient = gradients[name]
        assert gradient is not None
        torch.testing.assert_close(gradient, expected, atol=GRADIENT_TOLERANCE, rtol=1e-3)
    norms: dict[str, float] = fixture.facts["grad_norms_eval_loss_conditioned"]
    for official, norm in norms.items():
        (name,) = rename_bamm({official: torch.empty(3)})
        gradient = gradients[name]
        assert gradient is not None
        assert gradient.norm().item() == pytest.approx(norm, rel=1e-3, abs=1e-6), name


def test_training_steps(fixture: Fixture) -> None:
    arrays, model = fixture.arrays("train"), fixture.model(dropout=0.0).train()
    recorded = arrays["train_losses"].tolist()
    train(model, recorded, lambda step: losses_of(model, arrays, "train", step)["total"])
    (expected,) = rename_bamm({"token_emb.weight": arrays["train_token_emb_after"]}).values()
    ours = model.token_embedding.weight.detach()
    torch.testing.assert_close(ours, expected, atol=WEIGHTS_TOLERANCE, rtol=0)


# generation


def replayed(uniforms: Tensor) -> Uniform:
    recorded = iter(uniforms)
    return lambda shape: next(recorded)


def replay_first(fixture: Fixture, arrays: Arrays, kind: str) -> BaseTokens:
    lengths = arrays["m_lens"] if kind == "given" else None
    settings = BammSampling(guidance_scale=fixture.sizes["first_pass_guidance"])
    uniform = replayed(arrays[f"{kind}_uniforms_first"])
    most = fixture.sizes["generation_tokens"]
    return first_pass(fixture.official, condition_of(arrays), lengths, most, uniform, settings)


@pytest.mark.parametrize("kind", ["predicted", "given"])
def test_first_pass_writes_the_official_tokens(fixture: Fixture, kind: str) -> None:
    arrays = fixture.arrays("generate")
    written = replay_first(fixture, arrays, kind)
    assert written.lengths.tolist() == arrays[f"{kind}_pred_len"].tolist()
    size = written.tokens.shape[1]
    assert size == int(written.lengths.max())
    valid = valid_mask(written.lengths, size)
    expected = arrays[f"{kind}_second_start"][:, :size]
    assert torch.equal(written.tokens[valid], expected[valid])


@pytest.mark.parametrize("kind", ["predicted", "given"])
def test_second_pass_remakes_the_official_tokens(fixture: Fixture, kind: str) -> None:
    arrays, model = fixture.arrays("generate"), fixture.official
    written = replay_first(fixture, arrays, kind)
    size = written.tokens.shape[1]
    settings = BammSampling(second_guidance_scale=fixture.sizes["second_pass_guidance"], redraw_given=True)
    uniform = replayed(arrays[f"{kind}_uniforms_second"])
    remade = arrays[f"{kind}_remade"][:, :size]
    again = second_pass(model, condition_of(arrays), written, remade, uniform, settings)
    valid = valid_mask(again.lengths, size)
    evaluated = arrays[f"{kind}_evaluation_ids"]
    assert torch.equal(again.tokens.masked_fill(~valid, -1), evaluated[:, :size])
    assert bool((evaluated[:, size:] == -1).all())
    assert (4 * again.lengths).tolist() == arrays[f"{kind}_evaluation_frames"].tolist()


@pytest.mark.parametrize("kind", ["predicted", "given"])
def test_as_many_tokens_are_remade_as_officially(fixture: Fixture, kind: str) -> None:
    arrays = fixture.arrays("generate")
    written = replay_first(fixture, arrays, kind)
    remade = to_remake(written, BammSampling(remake="least-confident"))
    assert remade.sum(dim=1).tolist() == arrays[f"{kind}_remade"].sum(dim=1).tolist()


def test_a_motion_that_ends_at_once_is_one_token(fixture: Fixture) -> None:
    """The official rule of what follows END, on its own examples: the first pass is made to draw just these ids."""
    arrays, model = fixture.arrays("forward"), fixture.official
    ids, lengths = arrays["pad_after_end_input"], arrays["pad_after_end_len"]
    most = ids.shape[1] - 1
    condition = VideoFeatures(
        *(array[:1].repeat(len(ids), *[1] * (array.ndim - 1)) for array in condition_of(arrays))
    )
    wanted = iter(F.one_hot(ids[:, :most].T, model.end_id + 1) * 0.999)
    written = first_pass(
        model, condition, None, most, lambda shape: next(wanted), BammSampling(temperature=1e6)
    )
    assert written.lengths.tolist() == lengths.tolist()
    for row, length in enumerate(lengths.tolist()):
        assert written.tokens[row, :length].tolist() == arrays["pad_after_end_ids"][row, :length].tolist()
    assert arrays["pad_when_end_len"].tolist() == lengths.tolist()
