import pytest
import torch

from hero_core.models.tokenizers.quantizer import Quantized, ResidualQuantizer


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _quantizer(
    quantizers: int = 3, quantize_dropout: float = 0.0, temperature: float = 0.5
) -> ResidualQuantizer:
    """One that has seen a batch."""
    quantizer = ResidualQuantizer(
        quantizers, 16, 4, temperature=temperature, quantize_dropout=quantize_dropout
    )
    quantizer(_latents(batch=8), _rng())
    return quantizer.eval()


def _latents(batch: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 10, 4, generator=_rng(seed))


def test_tokens_name_the_vectors() -> None:
    quantizer, latents = _quantizer(), _latents(seed=1)
    quantized: Quantized = quantizer(latents)
    assert quantized.tokens.shape == (2, 10, 3)
    assert torch.equal(quantized.tokens, quantizer.encode(latents))
    torch.testing.assert_close(quantizer.look_up(quantized.tokens).sum(2), quantized.vectors)


def test_every_layer_brings_the_code_sum_closer() -> None:
    quantizer, latents = _quantizer(), _latents(batch=8)
    codes = quantizer.look_up(quantizer.encode(latents))  # (b, n, q, d)
    errors = [float((latents - codes[:, :, :count].sum(2)).square().mean()) for count in range(4)]
    assert errors == sorted(errors, reverse=True)
    assert errors[3] < 0.3 * errors[0]


def test_gradient_passes_straight_through_once_a_layer() -> None:
    quantizer, latents = _quantizer(), _latents(seed=1).requires_grad_()
    upstream = torch.randn(2, 10, 4, generator=_rng(2))
    for active in (1, 2, 3):
        (gradient,) = torch.autograd.grad(quantizer(latents, active=active).vectors, latents, upstream)
        torch.testing.assert_close(gradient, active * upstream)


def test_commitment_pulls_latents_to_their_codes() -> None:
    quantizer, latents = _quantizer(), _latents(seed=1).requires_grad_()
    quantized: Quantized = quantizer(latents, active=1)
    (gradient,) = torch.autograd.grad(quantized.commitments.sum(), latents)
    torch.testing.assert_close(gradient, 2 * (latents - quantized.vectors).detach() / latents.numel())


def test_layers_left_out_have_token_minus_one_and_keep_their_codes() -> None:
    quantizer = _quantizer().train()
    before = [layer.codebook.clone() for layer in quantizer.codebooks]
    quantized: Quantized = quantizer(_latents(seed=1), _rng(), active=1)
    assert (quantized.tokens[..., 1:] == -1).all()
    assert quantized.commitments.shape == quantized.perplexities.shape == (1,)
    changed = [
        not torch.equal(old, layer.codebook) for old, layer in zip(before, quantizer.codebooks, strict=True)
    ]
    assert changed == [True, False, False]


def test_quantise_dropout_happens_as_often_as_asked() -> None:
    quantizer, rng = _quantizer(quantizers=4, quantize_dropout=0.6).train(), _rng(3)
    latents = _latents(batch=1)[:, :2]
    active = torch.stack([quantizer(latents, rng).used.sum() for _ in range(400)])
    shares = active.bincount(minlength=5)[1:] / 400
    torch.testing.assert_close(shares, torch.tensor([0.15, 0.15, 0.15, 0.55]), rtol=0, atol=0.07)


def test_evaluation_changes_nothing_and_needs_no_generator() -> None:
    quantizer = _quantizer(quantize_dropout=1.0)
    before = {name: tensor.clone() for name, tensor in quantizer.state_dict().items()}
    quantized: Quantized = quantizer(_latents(seed=1))
    assert (quantized.tokens >= 0).all()
    assert all(torch.equal(before[name], tensor) for name, tensor in quantizer.state_dict().items())


def test_training_without_a_generator_is_refused() -> None:
    with pytest.raises(ValueError, match=r"torch\.Generator"):
        _quantizer().train()(_latents())


def test_training_is_reproducible_from_the_generator() -> None:
    torch.manual_seed(1)
    first = _quantizer(quantize_dropout=0.5).train()
    torch.manual_seed(2)
    second = _quantizer(quantize_dropout=0.5).train()
    rngs = _rng(5), _rng(5)
    for step in range(5):
        outputs = [q(_latents(seed=step), rng) for q, rng in zip((first, second), rngs, strict=True)]
        assert torch.equal(outputs[0].tokens, outputs[1].tokens)
    assert all(torch.equal(first.state_dict()[name], t) for name, t in second.state_dict().items())


def test_training_with_batch_size_one_does_not_edit_its_input() -> None:
    quantizer, latents = _quantizer().train(), _latents(batch=1).requires_grad_()
    before = latents.detach().clone()
    quantizer(latents, _rng()).vectors.sum().backward()
    assert torch.equal(latents.detach(), before)
    assert latents.grad is not None


def test_a_saved_quantizer_goes_on_as_if_never_saved() -> None:
    trained = _quantizer().train()
    restored = ResidualQuantizer(3, 16, 4, quantize_dropout=0.0)
    restored.load_state_dict(trained.state_dict())
    outputs = [quantizer(_latents(seed=4), _rng(9)) for quantizer in (trained, restored)]
    assert torch.equal(outputs[0].tokens, outputs[1].tokens)
    assert all(torch.equal(trained.state_dict()[name], t) for name, t in restored.state_dict().items())


def test_fewer_columns_are_the_first_layers() -> None:
    quantizer = _quantizer()
    tokens = quantizer.encode(_latents())
    assert torch.equal(quantizer.look_up(tokens[..., :2]), quantizer.look_up(tokens)[:, :, :2])
    with pytest.raises(ValueError, match="4 columns of tokens for 3 quantizers"):
        quantizer.look_up(torch.zeros(1, 5, 4, dtype=torch.int64))
