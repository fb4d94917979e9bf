import random
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hero_core.models.tokenizers.convolution import Conv1d


class Case(NamedTuple):
    """A convolution and the shape of its input."""

    layer: Conv1d
    frames: int
    batch: int

    def motion(self) -> Tensor:
        """Frames first, ``(n, b, c_in)``; double, so that only mistakes differ."""
        shape = (self.frames, self.batch, self.layer.in_channels)
        return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _case(seed: int) -> Case:
    draw = random.Random(seed)
    kernel, dilation, padding = draw.randint(1, 5), draw.randint(1, 9), draw.randint(0, 9)
    shortest = max(1, dilation * (kernel - 1) + 1 - 2 * padding)
    torch.manual_seed(seed)
    sizes = draw.randint(1, 9), draw.randint(1, 9), kernel
    layer = Conv1d(*sizes, stride=draw.randint(1, 4), padding=padding, dilation=dilation).double()
    return Case(layer, shortest + draw.randint(0, 12), draw.randint(1, 4))


def _reference(layer: Conv1d, hidden: Tensor) -> Tensor:
    """PyTorch's own convolution of ``(n, b, c)``."""
    weights = layer.weight, layer.bias
    output = F.conv1d(hidden.permute(1, 2, 0), *weights, layer.stride, layer.padding, layer.dilation)
    return output.permute(2, 0, 1)


def _gradients(output: Tensor, layer: Conv1d, hidden: Tensor) -> tuple[Tensor, ...]:
    weights = torch.linspace(-1.0, 1.0, output.numel(), dtype=output.dtype).view_as(output)
    return torch.autograd.grad((output * weights).sum(), (hidden, *layer.parameters()))


@pytest.mark.parametrize("seed", range(60))
def test_outputs_and_gradients_are_pytorchs(seed: int) -> None:
    case = _case(seed)
    hidden = case.motion().requires_grad_()
    output, expected = case.layer(hidden), _reference(case.layer, hidden)
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        _gradients(output, case.layer, hidden),
        _gradients(expected, case.layer, hidden),
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.parametrize("seed", range(30))
@torch.no_grad()
def test_so_are_outputs_without_gradients(seed: int) -> None:
    case = _case(seed)  # some of so few frames that there are more channels
    torch.testing.assert_close(
        case.layer(case.motion()), _reference(case.layer, case.motion()), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("dilation", [1, 3, 9])
def test_single_precision_differs_by_rounding_only(dilation: int) -> None:
    torch.manual_seed(0)
    layer, hidden = Conv1d(64, 30, 3, padding=dilation, dilation=dilation), torch.randn(10, 8, 64)
    hidden.requires_grad_()
    output, expected = layer(hidden), _reference(layer, hidden)
    ours = (output, *_gradients(output, layer, hidden))
    for own, pytorchs in zip(ours, (expected, *_gradients(expected, layer, hidden)), strict=True):
        assert (own - pytorchs).abs().max() < 1e-5 * pytorchs.abs().max()


def test_weights_are_pytorchs() -> None:
    torch.manual_seed(0)
    ours = Conv1d(5, 7, 3, stride=2, padding=1).state_dict()
    torch.manual_seed(0)
    expected = nn.Conv1d(5, 7, 3, stride=2, padding=1).state_dict()
    assert list(ours) == list(expected)
    assert all(torch.equal(ours[name], tensor) for name, tensor in expected.items())


def test_the_layout_of_the_input_does_not_matter() -> None:
    case = _case(3)
    hidden = case.motion()
    batch_first = hidden.transpose(0, 1).contiguous().requires_grad_()
    output = case.layer(batch_first.transpose(0, 1))
    assert torch.equal(output, case.layer(hidden))
    (gradient,) = torch.autograd.grad(output.sum(), batch_first)
    hidden.requires_grad_()
    (expected,) = torch.autograd.grad(case.layer(hidden).sum(), hidden)
    assert torch.equal(gradient.transpose(0, 1), expected)


def test_an_input_without_gradient_gets_none() -> None:
    case = _case(3)
    case.layer(case.motion()).sum().backward()
    assert case.layer.weight.grad is not None
    with torch.no_grad():
        assert not case.layer(case.motion()).requires_grad


def test_repeats_are_equal_bit_for_bit() -> None:
    torch.manual_seed(0)
    layer, hidden = Conv1d(48, 48, 3, padding=3, dilation=3), torch.randn(20, 16, 48).requires_grad_()
    first, second = ((output := layer(hidden), *_gradients(output, layer, hidden)) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_autocast_computes_in_its_type_and_keeps_gradients_in_theirs() -> None:
    torch.manual_seed(0)
    layer, hidden = Conv1d(16, 9, 4, stride=2, padding=1), torch.randn(8, 4, 16).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(hidden)
        expected = _reference(layer, hidden)
    assert output.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(output, expected, rtol=0.03, atol=0.03)
    gradients = _gradients(output.float(), layer, hidden)
    assert {gradient.dtype for gradient in gradients} == {torch.float32}
    exact = _gradients(_reference(layer, hidden), layer, hidden)
    for ours, own in zip(gradients, exact, strict=True):
        assert (ours - own).abs().max() < 0.03 * own.abs().max()


def test_a_kernel_longer_than_the_input_is_refused() -> None:
    with pytest.raises(ValueError, match="4 frames and 1 of padding at both ends: the kernel is longer"):
        Conv1d(2, 2, 4, padding=1, dilation=2)(torch.zeros(4, 1, 2))
