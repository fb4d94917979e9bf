"""The tokenizer against numbers of the official code."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hero_core.models.base import Batch
from hero_core.models.tokenizers.quantizer import Quantized, ResidualQuantizer
from hero_core.models.tokenizers.rvq import RvqNetwork, RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.convert import convert_rvq
from hero_core.official.options import read_options


class Fixture:
    """The folder ``rvq/`` and the checkpoint that it names."""

    def __init__(self, folder: Any) -> None:
        self.arrays, self.facts = folder.arrays, folder.facts
        self.checkpoint, self.opt_txt = folder.file("checkpoint_path"), folder.file("opt_txt_path")
        (stated,) = re.findall(r"abs ([\d.e-]+)", self.facts["tolerance_hint"])
        self.tolerance = float(stated)

    def tokenizer(self) -> RvqTokenizer:
        meta = self.opt_txt.parent / "meta"
        return convert_rvq(
            self.checkpoint, self.opt_txt, MotionStatistics.read(meta / "mean.npy", meta / "std.npy")
        )

    def assert_close(self, ours: Tensor, official: Tensor) -> None:
        scale = max(1.0, float(official.abs().max()) / 10)  # the tolerance is stated for values up to 10
        torch.testing.assert_close(ours.detach(), official, rtol=0, atol=self.tolerance * scale)


@pytest.fixture(scope="module")
def fixture(open_folder: Callable[[str], Any]) -> Fixture:
    return Fixture(open_folder("rvq"))


@pytest.fixture(scope="module")
def network(fixture: Fixture) -> RvqNetwork:
    return fixture.tokenizer().network


@pytest.fixture(scope="module")
def forward(fixture: Fixture) -> dict[str, Tensor]:
    return fixture.arrays("forward")


def test_opt_txt_has_the_official_values(fixture: Fixture) -> None:
    options = read_options(fixture.opt_txt)
    official = fixture.facts["opt_parsed_by_official_get_opt"]
    for name in ("nb_code", "num_quantizers", "mu", "lr", "finetune", "recons_loss", "commit", "name"):
        kind, text = official[name]
        assert (type(options[name]).__name__, str(options[name])) == (kind, text)
    assert str(options["milestones"]) == official["milestones"][1]
    assert options["vq_norm"] is None


def test_import_reads_every_size(fixture: Fixture, network: RvqNetwork) -> None:
    hyper = fixture.facts["hyperparameters"]
    names = {
        "codebook_size": "nb_code",
        "code_dim": "code_dim",
        "width": "width",
        "depth": "depth",
        "downsamplings": "down_t",
        "dilation_growth": "dilation_growth_rate",
        "quantizers": "num_quantizers",
        "ema_decay": "mu",
        "quantize_dropout": "quantize_dropout_prob",
        "local_position_weight": "loss_vel",
        "commitment_weight": "commit",
    }
    assert {ours: getattr(network.config, ours) for ours in names} == {
        o: hyper[name] for o, name in names.items()
    }
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes.items() >= fixture.facts["state_dict_keys_shapes"].items()


def test_encode(fixture: Fixture, network: RvqNetwork, forward: dict[str, Tensor]) -> None:
    with torch.no_grad():
        latents = network.encode_latents(forward["motion"])
        tokens = network.encode(forward["motion"])
        codes = network.quantizer.look_up(tokens)  # (b, m, q, d)
    fixture.assert_close(latents, forward["latent"].transpose(1, 2))
    assert torch.equal(tokens, forward["code_idx"])
    fixture.assert_close(codes, forward["codes_from_indices"].permute(1, 2, 0, 3))
    fixture.assert_close(codes, forward["all_codes"].permute(1, 3, 0, 2))
    fixture.assert_close(codes.sum(2), forward["dequant_sum"].transpose(1, 2))


def test_forward(fixture: Fixture, network: RvqNetwork, forward: dict[str, Tensor]) -> None:
    with torch.no_grad():
        output = network(forward["motion"])
        quantized: Quantized = network.quantizer(network.encode_latents(forward["motion"]))
    fixture.assert_close(output.reconstruction, forward["recon_forward"])
    assert torch.equal(output.tokens, forward["code_idx"])
    fixture.assert_close(output.commitment, forward["commit_loss"])
    fixture.assert_close(output.perplexity, forward["perplexity"])
    fixture.assert_close(quantized.commitments, forward["commit_per_layer"])
    fixture.assert_close(quantized.perplexities, forward["perplexity_per_layer"])


def test_decode(fixture: Fixture, network: RvqNetwork, forward: dict[str, Tensor]) -> None:
    with torch.no_grad():
        fixture.assert_close(network.decode(forward["code_idx"]), forward["recon_from_indices"])
        fixture.assert_close(network.decode(forward["idx_with_minus1"]), forward["recon_with_minus1"])
        silence = torch.full_like(forward["code_idx"][:1], -1)
        fixture.assert_close(network.decode(silence), forward["recon_zero_latent"])
        coarse = {int(name[12:]): name for name in forward if name.startswith("recon_coarse")}
        assert coarse
        for columns, name in coarse.items():
            fixture.assert_close(network.decode(forward["code_idx"][..., :columns]), forward[name])


def test_fewer_active_layers(fixture: Fixture, network: RvqNetwork, forward: dict[str, Tensor]) -> None:
    (last,) = {int(match[1]) for name in forward if (match := re.match(r"fd(\d+)_", name))}
    with torch.no_grad():
        quantized: Quantized = network.quantizer(network.encode_latents(forward["motion"]), active=last + 1)
    fixture.assert_close(quantized.vectors, forward[f"fd{last}_quantized"].transpose(1, 2))
    assert torch.equal(quantized.tokens, forward[f"fd{last}_idx"])
    fixture.assert_close(quantized.commitments.mean(), forward[f"fd{last}_loss"])
    fixture.assert_close(quantized.perplexities.mean(), forward[f"fd{last}_perplexity"])


def test_losses_and_gradients(fixture: Fixture, forward: dict[str, Tensor]) -> None:
    official = fixture.arrays("losses_grads_eval")
    tokenizer = fixture.tokenizer()
    tokenizer.normalisation.mean.zero_()  # the stored motion is normalised already
    tokenizer.normalisation.std.fill_(1.0)
    motion = forward["motion"]
    losses = tokenizer.losses(
        Batch(tuple(map(str, range(len(motion)))), torch.full((len(motion),), motion.shape[1]), motion)
    )
    names = {"total": "loss", "reconstruction": "loss_rec", "local_positions": "loss_explicit"}
    names |= {"commitment": "loss_commit", "perplexity": "perplexity"}
    for ours, theirs in names.items():
        fixture.assert_close(losses[ours], official[theirs])
    losses["total"].backward()  # type: ignore[no-untyped-call]
    gradients = {name: p.grad for name, p in tokenizer.network.named_parameters() if p.grad is not None}
    for name, norm in fixture.facts["grad_norms"].items():
        assert float(gradients[name].norm()) == pytest.approx(norm, rel=1e-4)
    stored = {name[6:].replace("__", "."): g for name, g in official.items() if name.startswith("grad__")}
    assert stored
    for name, gradient in stored.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(gradients[name], gradient, rtol=0, atol=fixture.tolerance * max(1, scale))


def _official_quantizer(config: RvqConfig, temperature: float) -> ResidualQuantizer:
    return ResidualQuantizer(
        config.quantizers,
        config.codebook_size,
        config.code_dim,
        decay=config.ema_decay,
        reset="official",
        temperature=temperature,
        quantize_dropout=0.0,
    )


def _stacked(quantizer: ResidualQuantizer, name: str) -> Tensor:
    return torch.stack([getattr(layer, name) for layer in quantizer.codebooks])


def _assert_step(fixture: Fixture, quantized: Quantized, official: dict[str, Tensor], step: str) -> None:
    assert torch.equal(quantized.tokens, official[f"{step}_idx"])
    fixture.assert_close(quantized.vectors, official[f"{step}_quantized"].transpose(1, 2))
    fixture.assert_close(quantized.commitments.mean(), official[f"{step}_loss"])
    fixture.assert_close(quantized.perplexities.mean(), official[f"{step}_perplexity"])


def _assert_codebooks(
    fixture: Fixture, quantizer: ResidualQuantizer, official: dict[str, Tensor], step: str
) -> None:
    clear = ~official[f"{step}_near_threshold"]  # (q, k)
    assert clear.any()
    fixture.assert_close(_stacked(quantizer, "codebook")[clear], official[f"{step}_codebooks"][clear])
    fixture.assert_close(_stacked(quantizer, "code_sum"), official[f"{step}_code_sum"])
    fixture.assert_close(_stacked(quantizer, "code_count"), official[f"{step}_code_count"])


def test_first_batches_throw_the_loaded_codes_away(fixture: Fixture, network: RvqNetwork) -> None:
    official = fixture.arrays("ema")
    quantizer = _official_quantizer(network.config, temperature=0.0)
    quantizer.load_state_dict(network.quantizer.state_dict())
    fixture.assert_close(_stacked(quantizer, "codebook"), official["codebooks_loaded"])
    for layer in quantizer.codebooks:
        layer.initialised.fill_(False)  # as the official code is after loading
    for step in ("A1_first_train_batch_after_load", "A2_second_batch"):
        latents = official[f"{step}_latent"].transpose(1, 2)
        quantized: Quantized = quantizer(latents, torch.Generator())
        _assert_step(fixture, quantized, official, step)
        _assert_codebooks(fixture, quantizer, official, step)


def test_step_in_mid_training(fixture: Fixture, network: RvqNetwork) -> None:
    official = fixture.arrays("ema")
    quantizer = _official_quantizer(network.config, temperature=0.0)
    for index, layer in enumerate(quantizer.codebooks):
        layer.codebook.copy_(official["B0_before_codebooks"][index])
        layer.code_sum.copy_(official["B0_before_code_sum"][index])
        layer.code_count.copy_(official["B0_before_code_count"][index])
        layer.initialised.fill_(True)
    active = int((official["B_idx"] >= 0).any(0).any(0).sum())
    assert active < network.config.quantizers
    quantized: Quantized = quantizer(official["B_latent"].transpose(1, 2), torch.Generator(), active=active)
    _assert_step(fixture, quantized, official, "B")
    _assert_codebooks(fixture, quantizer, official, "B1_after")


def test_gumbel_sampling(fixture: Fixture, network: RvqNetwork) -> None:
    official = fixture.arrays("gumbel")
    (temperature,) = re.findall(r"sample_codebook_temp=([\d.]+\d)", fixture.facts["files"]["gumbel.npz"])
    quantizer = _official_quantizer(network.config, float(temperature))
    quantizer.load_state_dict(network.quantizer.state_dict())
    for layer in quantizer.codebooks:
        layer.code_count.fill_(5.0)
        layer.code_sum.copy_(5.0 * layer.codebook)
    latents = official["latent"].transpose(1, 2)
    quantized: Quantized = quantizer(latents, torch.Generator(), uniforms=official["uniforms"])
    assert torch.equal(quantized.tokens, official["idx"])
    fixture.assert_close(quantized.vectors, official["quantized"].transpose(1, 2))
    fixture.assert_close(quantized.commitments.mean(), official["loss"])
    fixture.assert_close(quantized.perplexities.mean(), official["perplexity"])
    fixture.assert_close(_stacked(quantizer, "codebook"), official["codebooks_after"])
