"""A convolution over time that costs little more than its matrix products."""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from hero_core.models.precision import product_dtype

_ROW_MULTIPLE = (
    8  # numbers; products into rows that start at odd places take nearly twice as long on some CPUs
)


class Conv1d(nn.Conv1d):
    """``torch.nn.Conv1d`` with the same parameters, for ``(n, b, c)``: frames first, channels last.

    With frames first, what a tap of the kernel reads from all motions of a batch is one matrix, and so is what it
    adds to. A tap is one matrix product, then: nothing is gathered or padded, and a tap costs nothing where it
    sees only padding, which in short windows is most of a dilated kernel.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: number of taps.
        stride: frames from one output to the next.
        padding: frames of zeros before and after the input.
        dilation: frames from one tap to the next.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation)

    def forward(self, hidden: Tensor) -> Tensor:
        """``(n, b, in_channels)`` -> ``(n_out, b, out_channels)``, n_out as in ``torch.nn.Conv1d``.

        Raises:
            ValueError: the kernel is longer than the padded input.
        """
        (kernel,), (stride,), (dilation,) = self.kernel_size, self.stride, self.dilation
        (padding,) = cast(tuple[int], self.padding)
        frames = hidden.shape[0]
        frames_out = (frames + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        if frames_out < 1:
            raise ValueError(f"{frames} frames and {padding} of padding at both ends: the kernel is longer")
        if frames_out * hidden.shape[1] < self.out_channels and not torch.is_grad_enabled():
            return self._few(hidden)
        reaches = [_reach(tap * dilation - padding, stride, frames, frames_out) for tap in range(kernel)]
        dtype = product_dtype(hidden)  # autocast leaves products that add to a tensor alone
        operands = [each.to(dtype) for each in (hidden, self.weight, cast(Tensor, self.bias))]
        output: Tensor = _Convolution.apply(*operands, reaches, frames_out)  # type: ignore[no-untyped-call]
        return output

    def _few(self, hidden: Tensor) -> Tensor:
        """The same where laying out what every output reads takes less time than laying out the taps."""
        (kernel,), (stride,), (dilation,) = self.kernel_size, self.stride, self.dilation
        (padding,) = cast(tuple[int], self.padding)
        padded = F.pad(hidden, (0, 0, 0, 0, padding, padding))
        windows = padded.unfold(0, dilation * (kernel - 1) + 1, stride)[..., ::dilation]
        # (n_out, b, c_in, k)
        return F.linear(windows.flatten(2), self.weight.flatten(1), self.bias)


class _Reach(NamedTuple):
    """The frames that one tap reads and the frames that it adds to, as many."""

    read: slice
    written: slice


def _reach(offset: int, stride: int, frames: int, frames_out: int) -> _Reach:
    """Of the tap that reads frame ``stride * i + offset`` for frame i, wherever the input has it."""
    first = max(0, -(offset // stride))
    count = max(0, min(frames_out, (frames - 1 - offset) // stride + 1) - first)
    start = stride * first + offset
    return _Reach(slice(start, start + stride * count, stride), slice(first, first + count))


class _Convolution(torch.autograd.Function):
    """One product per tap; by plain autograd every tap would cost a padded copy of the gradient."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, reaches: list[_Reach], frames_out: int
    ) -> Tensor:
        hidden = hidden.contiguous()
        taps = weight.permute(2, 0, 1).contiguous()  # (k, c_out, c_in)
        ctx.save_for_backward(hidden, taps)
        ctx.reaches = reaches
        output = _starting_at(bias, frames_out, hidden.shape[1])  # (n_out, b, c_out)
        for reach, tap in zip(reaches, taps, strict=True):
            _rows(output[reach.written]).addmm_(_rows(hidden[reach.read]), tap.T)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None, None]:
        hidden, taps = ctx.saved_tensors
        gradient = gradient.contiguous()  # (n_out, b, c_out)
        of_hidden = torch.zeros_like(hidden) if ctx.needs_input_grad[0] else None
        of_taps = torch.empty_like(taps)
        for reach, tap, of_tap in zip(ctx.reaches, taps, of_taps, strict=True):
            rows = _rows(gradient[reach.written])
            torch.mm(rows.T, _rows(hidden[reach.read]), out=of_tap)
            if of_hidden is not None:
                _add_product(of_hidden[reach.read], rows, tap)
        return of_hidden, of_taps.permute(1, 2, 0), gradient.sum((0, 1)), None, None


def _starting_at(bias: Tensor, frames: int, batch: int) -> Tensor:
    """The bias of every frame, ``(n, b, c)``, with room after each row up to a whole multiple."""
    pitch = -(-len(bias) // _ROW_MULTIPLE) * _ROW_MULTIPLE
    output = bias.new_empty_strided((frames, batch, len(bias)), (batch * pitch, pitch, 1))
    return output.copy_(bias)


def _rows(frames: Tensor) -> Tensor:
    """``(n, b, c)`` -> ``(n * b, c)``."""
    return frames.flatten(0, 1)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add a product to some frames of a tensor."""
    if total.is_contiguous():
        _rows(total).addmm_(left, right)
    else:  # every other frame, where the stride is 2
        total += (left @ right).view_as(total)
