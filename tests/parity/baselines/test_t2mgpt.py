"""T2M-GPT against numbers made by running the official code."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.models.base import Batch, VideoFeatures
from hero_core.models.generators.t2mgpt import (
    CorruptionDraws,
    GptTransformer,
    T2mGptSampling,
    VqTokenizer,
)
from hero_core.models.sampling import uniform_from
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.t2mgpt import convert_t2mgpt_gpt, convert_t2mgpt_vq, rename_gpt

LOSSES = {
    "total": "total",
    "reconstruction": "motion",
    "local_positions": "vel",
    "commitment": "commit",
    "perplexity": "perplexity",
}


class Fixture:
    """The folder ``baselines/t2mgpt``, and files as the official code writes them, made of its weights."""

    def __init__(self, folder: Any, place: Path) -> None:
        self.arrays, self.facts, self.place = folder.arrays, folder.facts, place
        self.sizes = self.facts["hyperparameters"]

    def tolerance(self, word: str) -> float:
        """The number that the JSON gives behind this word."""
        (number,) = re.findall(rf"{word}[^;]*?([\d.]+e-\d+)", self.facts["tolerance_hint"])
        return float(number)

    def official(self, name: str) -> dict[str, Tensor]:
        """Official weights by their official names."""
        stored = self.arrays(f"{name}_weights")
        return {
            key.removeprefix("state__"): value for key, value in stored.items() if key.startswith("state__")
        }

    def tokenizer(self, **changes: object) -> VqTokenizer:
        path = self.place / "net_last.pth"
        torch.save({"net": self.official("vq")}, path)
        plain = MotionStatistics(np.zeros(263, np.float32), np.ones(263, np.float32))
        converted = convert_t2mgpt_vq(path, plain, self.sizes["vq"]["dilation_growth_rate"])
        stated = {
            "ema_decay": self.sizes["vq"]["mu"],
            "local_position_weight": self.sizes["loss_vel"],
            "commitment_weight": self.sizes["commit"],
        }
        tokenizer = VqTokenizer(converted.config.model_copy(update={**stated, **changes}))
        tokenizer.load_state_dict(converted.state_dict())
        return tokenizer.eval()

    def transformer(self, **changes: object) -> GptTransformer:
        path = self.place / "net_best_fid.pth"
        torch.save({"trans": self.official("gpt")}, path)
        converted = convert_t2mgpt_gpt(path, self.sizes["gpt"]["n_head"])
        model = GptTransformer(converted.config.model_copy(update=changes))
        model.load_state_dict(converted.state_dict())
        return model.eval()


@pytest.fixture(scope="module")
def fixture(open_folder: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Fixture:
    return Fixture(open_folder("baselines/t2mgpt"), tmp_path_factory.mktemp("official"))


@pytest.fixture(scope="module")
def tokenizer(fixture: Fixture) -> VqTokenizer:
    return fixture.tokenizer()


@pytest.fixture(scope="module")
def transformer(fixture: Fixture) -> GptTransformer:
    return fixture.transformer()


def close(ours: Tensor, official: Tensor, tolerance: float) -> None:
    scale = max(1.0, float(official.abs().max()) / 10)  # tolerances are stated for values up to 10
    torch.testing.assert_close(ours.detach(), official, rtol=0, atol=tolerance * scale)


def batch_of(motion: Tensor) -> Batch:
    return Batch(tuple(map(str, range(len(motion)))), torch.full((len(motion),), motion.shape[1]), motion)


def condition_of(arrays: dict[str, Tensor]) -> VideoFeatures:
    feature = arrays["cond"]
    return VideoFeatures(feature[:, None], feature, torch.zeros(len(feature), 1))


def test_sizes_are_read_from_the_weights(
    fixture: Fixture, tokenizer: VqTokenizer, transformer: GptTransformer
) -> None:
    ours, theirs = tokenizer.config, fixture.sizes["vq"]
    assert (ours.codebook_size, ours.code_dim, ours.width) == (
        theirs["nb_code"],
        theirs["code_dim"],
        theirs["width"],
    )
    assert (ours.depth, ours.downsamplings, ours.quantizers) == (theirs["depth"], theirs["down_t"], 1)
    assert ours.dropout == ours.quantize_dropout == ours.sample_temperature == 0
    gpt, theirs = transformer.config, fixture.sizes["gpt"]
    assert (gpt.codebook_size, gpt.width, gpt.feature_dim) == (
        theirs["num_vq"],
        theirs["embed_dim"],
        theirs["clip_dim"],
    )
    assert gpt.layers == 2 * theirs["num_layers"], "two stacks"
    assert gpt.max_tokens + 1 == theirs["block_size"]
    assert gpt.ff_size == theirs["fc_rate"] * theirs["embed_dim"]
    assert (gpt.dropout, gpt.keep_share) == (theirs["drop_out_rate"], fixture.sizes["pkeep"])


@torch.no_grad()
def test_tokenizer_forwards(fixture: Fixture, tokenizer: VqTokenizer) -> None:
    official, network = fixture.arrays("vq_forward"), tokenizer.network
    output = network(official["motion"])
    close(network.encode_latents(official["motion"]), official["latent"], fixture.tolerance("latents"))
    assert torch.equal(output.tokens[..., 0], official["codes"])
    close(output.reconstruction, official["reconstruction"], fixture.tolerance("reconstructions"))
    close(output.commitment, official["commit"], fixture.tolerance("losses"))
    close(output.perplexity, official["perplexity"], fixture.tolerance("losses"))
    decoded = tokenizer.decode(official["decode_codes"][..., None])
    close(decoded, official["decoded"], fixture.tolerance("reconstructions"))


def test_tokenizer_losses_and_every_gradient(fixture: Fixture) -> None:
    official, tokenizer = fixture.arrays("vq_train"), fixture.tokenizer()
    losses = tokenizer.losses(batch_of(official["motion"]))
    for ours, theirs in LOSSES.items():
        close(losses[ours], official[f"loss_{theirs}"], fixture.tolerance("losses"))
    torch.autograd.backward(losses["total"])
    gradients = {f"vqvae.{name}": p.grad for name, p in tokenizer.network.named_parameters()}
    stored = {name[6:].replace("__", "."): g for name, g in official.items() if name.startswith("grad__")}
    assert stored
    for name, expected in stored.items():
        gradient = gradients[name]
        assert gradient is not None
        close(gradient, expected, fixture.tolerance("gradients"))
    norms = fixture.facts["vq_grad_norms_eval_loss"]
    assert norms.keys() == gradients.keys()
    for name, norm in norms.items():
        gradient = gradients[name]
        assert gradient is not None
        assert float(gradient.norm()) == pytest.approx(norm, rel=1e-4), name


def test_codebook_steps_start_by_throwing_the_loaded_codes_away(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    official, tokenizer = fixture.arrays("vq_train"), fixture.tokenizer(code_reset="official").train()
    (codebook,) = tokenizer.network.quantizer.codebooks
    codebook.initialised.fill_(False)  # as the official code is after loading
    steps = sorted({int(match[1]) for name in official if (match := re.match(r"ema(\d+)_motion", name))})
    assert len(steps) >= 2
    compared = 0
    for step in steps:
        names = sorted(name for name in official if name.startswith(f"ema{step}_tile_noise"))
        noises = iter([official[name] for name in names])
        monkeypatch.setattr(torch, "randn", lambda size, *_, noises=noises, **__: next(noises)[:size])
        losses = tokenizer.losses(batch_of(official[f"ema{step}_motion"]), torch.Generator())
        for ours, theirs in LOSSES.items():
            close(losses[ours], official[f"ema{step}_loss_{theirs}"], fixture.tolerance("losses"))
        clear = ~official[f"ema{step}_near_threshold"]  # (k,)
        compared += int(clear.sum())
        tolerance = fixture.tolerance("codebook")
        expected = official[f"ema{step}_codebook_after"]
        close(codebook.codebook * clear[:, None], expected * clear[:, None], tolerance)
        close(codebook.code_sum, official[f"ema{step}_code_sum_after"], tolerance)
        close(codebook.code_count, official[f"ema{step}_code_count_after"], tolerance)
    assert compared


@torch.no_grad()
def test_transformer_forwards(fixture: Fixture, transformer: GptTransformer) -> None:
    arrays, tolerance = fixture.arrays("gpt_forward"), fixture.tolerance("logits")
    condition, seen = condition_of(arrays), []
    last_of_first_stack = transformer.layers[fixture.sizes["gpt"]["num_layers"] - 1]
    hook = last_of_first_stack.register_forward_hook(lambda *called: seen.append(called[-1]))
    close(transformer.logits(arrays["tokens"][:, :-1], condition), arrays["logits"], tolerance)
    hook.remove()
    close(seen[0], arrays["features"], tolerance)
    nothing = torch.zeros(len(arrays["tokens"]), 0, dtype=torch.int64)
    close(transformer.logits(nothing, condition), arrays["logits_empty"], tolerance)


def draws_of(arrays: dict[str, Tensor], step: int | None = None) -> CorruptionDraws:
    if step is None:
        return CorruptionDraws(arrays["keep"], arrays["random_ids"])
    return CorruptionDraws(arrays["train_keep"][step], arrays["train_random_ids"][step])


def likelihood(model: GptTransformer, arrays: dict[str, Tensor], draws: CorruptionDraws) -> dict[str, Tensor]:
    return model.likelihood(arrays["tokens"][:, :-1], arrays["m_lens"], condition_of(arrays), draws)


def test_tokens_end_and_are_corrupted_as_recorded(fixture: Fixture, transformer: GptTransformer) -> None:
    arrays = fixture.arrays("gpt_train")
    ended = transformer.ended(arrays["tokens"][:, :-1], arrays["m_lens"])
    assert torch.equal(ended, arrays["tokens"])
    assert torch.equal(transformer.corrupt(ended, draws_of(arrays)), arrays["inputs"])


def test_loss_accuracy_and_every_gradient(fixture: Fixture) -> None:
    arrays, model = fixture.arrays("gpt_train"), fixture.transformer()
    losses = likelihood(model, arrays, draws_of(arrays))
    assert losses["total"].item() == pytest.approx(arrays["loss"].item(), abs=fixture.tolerance("losses"))
    assert losses["accuracy"].item() == pytest.approx(arrays["acc_argmax"].item(), abs=1e-6)
    torch.autograd.backward(losses["total"])
    parameters = dict(model.named_parameters())
    recorded = {name[6:].replace("__", "."): g for name, g in arrays.items() if name.startswith("grad__")}
    assert recorded
    for name, expected in recorded.items():
        close(_gradient(fixture, parameters, name), expected, fixture.tolerance("gradients"))
    for name, norm in fixture.facts["gpt_grad_norms_eval_loss"].items():
        gradient = _gradient(fixture, parameters, name)
        assert float(gradient.norm()) == pytest.approx(norm, rel=1e-3, abs=1e-6), name


def _gradient(fixture: Fixture, parameters: dict[str, torch.nn.Parameter], name: str) -> Tensor:
    """The gradient of what the official code calls ``name``, perhaps a part of one of our parameters."""
    official = fixture.official("gpt")
    marked = {key: torch.full_like(value, float(key == name)) for key, value in official.items()}
    (ours,) = [key for key, value in rename_gpt(marked).items() if value.any()]
    gradient = parameters[ours].grad
    assert gradient is not None
    return gradient[rename_gpt(marked)[ours] != 0].view(official[name].shape)


def test_official_training_steps(fixture: Fixture) -> None:
    arrays, model = fixture.arrays("gpt_train"), fixture.transformer(dropout=0.0).train()
    (stated,) = [text for text in fixture.facts["files"].values() if "AdamW" in text]
    lr, one, two, decay = re.findall(
        r"AdamW\(lr ([\d.e-]+), betas ([\d.]+) ([\d.]+), wd ([\d.e-]+)\)", stated
    )[0]
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=float(lr), betas=(float(one), float(two)), weight_decay=float(decay)
    )
    for step, expected in enumerate(arrays["train_losses"].tolist()):
        loss = likelihood(model, arrays, draws_of(arrays, step))["total"]
        assert loss.item() == pytest.approx(expected, abs=fixture.tolerance("losses")), f"step {step}"
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    for name, ours in (("tok_emb", model.token_embedding.weight), ("head", model.head.weight)):
        close(ours, arrays[f"train_{name}_after"], fixture.tolerance("losses"))


def lengths_of(tokens: Tensor) -> list[int]:
    return (tokens >= 0).sum(dim=1).tolist()


def padded(tokens: Tensor, size: int) -> list[list[int]]:
    return torch.nn.functional.pad(tokens, (0, size - tokens.shape[1]), value=-1).tolist()


def test_likeliest_tokens(fixture: Fixture, transformer: GptTransformer) -> None:
    arrays = fixture.arrays("gpt_generate")
    uniform = uniform_from(torch.Generator().manual_seed(0), torch.device("cpu"))
    tokens = transformer.generate(condition_of(arrays), None, uniform, T2mGptSampling(temperature=0))
    assert padded(tokens, arrays["ids_greedy"].shape[1]) == arrays["ids_greedy"].tolist()
    assert lengths_of(tokens) == arrays["lens_greedy"].tolist()
    together = arrays["ids_batch_greedy"]  # there a row may go on behind its END
    for row, (mine, length) in enumerate(zip(tokens.tolist(), lengths_of(tokens), strict=True)):
        shared = min(length, together.shape[1])
        assert together[row, :shared].tolist() == mine[:shared]


def test_tokens_of_recorded_noise(fixture: Fixture, transformer: GptTransformer) -> None:
    arrays = fixture.arrays("gpt_generate")
    recorded = iter(arrays["gumbel_uniforms"].unbind(dim=1))
    tokens = transformer.generate(condition_of(arrays), None, lambda _: next(recorded), T2mGptSampling())
    assert padded(tokens, arrays["ids_gumbel"].shape[1]) == arrays["ids_gumbel"].tolist()
    assert lengths_of(tokens) == arrays["lens_gumbel"].tolist()


def test_with_given_lengths_the_likeliest_tokens_are_the_same_up_to_the_first_end(
    fixture: Fixture, transformer: GptTransformer
) -> None:
    arrays = fixture.arrays("gpt_generate")
    uniform = uniform_from(torch.Generator().manual_seed(0), torch.device("cpu"))
    longest = torch.full((len(arrays["cond"]),), transformer.config.max_tokens)
    tokens = transformer.generate(condition_of(arrays), longest, uniform, T2mGptSampling(temperature=0))
    assert lengths_of(tokens) == longest.tolist()
    for mine, theirs, length in zip(
        tokens.tolist(), arrays["ids_greedy"].tolist(), arrays["lens_greedy"].tolist(), strict=True
    ):
        assert mine[:length] == theirs[:length]
