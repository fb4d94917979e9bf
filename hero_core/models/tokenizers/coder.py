"""The convolutions between motions and latents, of four frames each in the paper."""

from collections.abc import Iterator

from torch import Tensor, nn

from hero_core.models.dropout import Dropout
from hero_core.models.padding import valid_mask
from hero_core.models.tokenizers.convolution import Conv1d
from hero_core.models.tokenizers.rvq_config import RvqConfig


class MotionEncoder(nn.Module):
    """``(n, b, motion_dim)`` -> ``(n / unit_length, b, code_dim)``."""

    def __init__(self, config: RvqConfig) -> None:
        super().__init__()
        scales = [
            nn.Sequential(Conv1d(config.width, config.width, 4, stride=2, padding=1), ResidualBlocks(config))
            for _ in range(config.downsamplings)
        ]
        self.model = nn.Sequential(
            Conv1d(config.motion_dim, config.width, 3, padding=1),
            nn.ReLU(inplace=True),
            *scales,
            Conv1d(config.width, config.code_dim, 3, padding=1),
        )

    def forward(self, motion: Tensor) -> Tensor:
        """Encode."""
        latents: Tensor = self.model(motion)
        return latents


class MotionDecoder(nn.Module):
    """``(m, b, code_dim)`` -> ``(m * unit_length, b, motion_dim)``; the encoder's mirror image."""

    def __init__(self, config: RvqConfig) -> None:
        super().__init__()
        scales = [
            nn.Sequential(
                ResidualBlocks(config),
                Twice(),
                Conv1d(config.width, config.width, 3, padding=1),
            )
            for _ in range(config.downsamplings)
        ]
        self.model = nn.Sequential(
            Conv1d(config.code_dim, config.width, 3, padding=1),
            nn.ReLU(inplace=True),
            *scales,
            Conv1d(config.width, config.width, 3, padding=1),
            nn.ReLU(inplace=True),
            Conv1d(config.width, config.motion_dim, 3, padding=1),
        )

    def forward(self, latents: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Decode; with ``lengths`` ``(b,)`` in latents, nothing past a motion's length reaches its frames.

        A convolution alone sees zeros past a motion's end, so zeros stand there again after every layer.
        """
        if lengths is None:
            motion: Tensor = self.model(latents)
            return motion
        valid = _valid(latents, lengths)
        hidden = latents * valid
        for layer in self._layers():
            hidden = layer(hidden)
            if isinstance(layer, Twice):
                lengths = 2 * lengths
                valid = _valid(hidden, lengths)
            elif isinstance(layer, Conv1d | ResidualBlock):  # the others leave zeros zero
                hidden = hidden * valid
        return hidden

    def _layers(self) -> Iterator[nn.Module]:
        for layer in self.model:
            for inner in layer if isinstance(layer, nn.Sequential) else [layer]:
                yield from inner.model if isinstance(inner, ResidualBlocks) else [inner]


def _valid(hidden: Tensor, lengths: Tensor) -> Tensor:
    """What to multiply ``(n, b, c)`` by for zeros past each of the lengths ``(b,)``, ``(n, b, 1)``."""
    return valid_mask(lengths, hidden.shape[0]).T[..., None].to(hidden.dtype)


class Twice(nn.Module):
    """Every frame twice: twice the frame rate."""

    def forward(self, hidden: Tensor) -> Tensor:
        """``(n, b, width)`` -> ``(2 * n, b, width)``."""
        return hidden[:, None].expand(-1, 2, -1, -1).flatten(0, 1)


class ResidualBlocks(nn.Module):
    """Residual blocks from the largest dilation to 1, in encoder and decoder alike."""

    def __init__(self, config: RvqConfig) -> None:
        super().__init__()
        dilations = [config.dilation_growth**power for power in reversed(range(config.depth))]
        self.model = nn.Sequential(
            *(ResidualBlock(config.width, dilation, config.dropout) for dilation in dilations)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """``(n, b, width)`` -> the same shape."""
        refined: Tensor = self.model(hidden)
        return refined


class ResidualBlock(nn.Module):
    """x + dropout(conv1(relu(conv3(relu(x)))))."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = Conv1d(width, width, 1)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """``(n, b, width)`` -> the same shape."""
        change: Tensor = self.dropout(self.conv2(self.conv1(hidden.relu()).relu_()))
        return hidden + change
