"""Motion in HumanML3D units <-> tokens: the tokenizer together with its statistics (paper, section 3.2)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hero_core.checkpoints import load_checkpoint, load_state, save_checkpoint
from hero_core.config import parse_config
from hero_core.models.codebook import NO_CODE
from hero_core.models.padding import valid_mask, zero_past
from hero_core.models.rvq import RvqConfig, RvqOutput, RvqVae
from hero_core.models.statistics import MotionStatistics
from hero_core.motion.humanml3d import LOCAL_POSITIONS

KIND = "rvq"


class MotionCodec(nn.Module):
    """Motions of any length to tokens and back.

    Args:
        config: of the tokenizer.
        mean: of every motion dimension, ``(motion_dim,)``.
        std: its standard deviation, ``(motion_dim,)``, positive.

    Raises:
        InputError: the statistics do not fit ``config.motion_dim``, or a standard deviation is not positive.
    """

    def __init__(self, config: RvqConfig, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.config = config
        self.statistics = MotionStatistics(mean, std, config.motion_dim)
        self.vae = RvqVae(config)

    @property
    def unit_length(self) -> int:
        """Frames a token stands for."""
        return self.config.unit_length

    @torch.no_grad()
    def encode(self, motion: Tensor, lengths: Tensor) -> Tensor:
        """Tokens of a padded batch of motions.

        Frames past a length are zero after normalisation, as the official release pads, so the last tokens see
        zeros on their right.

        Args:
            motion: ``(b, n, motion_dim)`` HumanML3D units; n a multiple of ``unit_length``, and the same for
                every batch (officially 200), as the last tokens of a motion that fills it see no zeros.
            lengths: ``(b,)`` valid frames.

        Returns:
            ``(b, n / unit_length, q)`` int64, ``-1`` past ``lengths // unit_length``.

        Raises:
            InputError: n is not a multiple of ``unit_length``.
        """
        tokens = self.vae.encode(zero_past(self.statistics.normalise(motion), lengths))  # (b, m, q)
        valid = valid_mask(lengths.to(tokens.device) // self.unit_length, tokens.shape[1])
        return tokens.masked_fill(~valid[:, :, None], NO_CODE)

    @torch.no_grad()
    def decode(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Motion of tokens.

        Args:
            tokens: ``(b, m, c)`` of the first c layers; ``-1`` adds nothing.
            lengths: ``(b,)`` frames. Frames past them are zero; without ``lengths`` they are what the decoder
                makes of zero latents, as in the official release.

        Returns:
            ``(b, m * unit_length, motion_dim)`` HumanML3D units.
        """
        motion = self.statistics.denormalise(self.vae.decode(tokens))
        return motion if lengths is None else zero_past(motion, lengths)

    def losses(self, motion: Tensor, rng: torch.Generator | None = None) -> dict[str, Tensor]:
        """The terms of Eq. 1, on motions without padding.

        In training mode this also updates the codebooks, which learn by moving averages instead of Eq. 1's
        codebook term.

        Args:
            motion: ``(b, n, motion_dim)`` HumanML3D units; n a multiple of ``unit_length``.
            rng: randomness of the quantiser; needed in training mode.

        Returns:
            Scalars ``total``, ``reconstruction`` (smooth L1), ``local_positions`` (the same on these dimensions
            alone), ``commitment``, and ``perplexity``, which is no loss.
        """
        target = self.statistics.normalise(motion)
        output: RvqOutput = self.vae(target, rng)
        reconstruction = F.smooth_l1_loss(output.reconstruction, target)
        local_positions = F.smooth_l1_loss(
            output.reconstruction[..., LOCAL_POSITIONS], target[..., LOCAL_POSITIONS]
        )
        total = (
            reconstruction
            + self.config.local_position_weight * local_positions
            + self.config.commitment_weight * output.commitment
        )
        return {
            "total": total,
            "reconstruction": reconstruction,
            "local_positions": local_positions,
            "commitment": output.commitment,
            "perplexity": output.perplexity,
        }

    def save(self, folder: Path, metadata: Mapping[str, Any]) -> None:
        """Write a checkpoint folder, codebook averages included."""
        save_checkpoint(folder, KIND, self.config, self.state_dict(), metadata)

    @classmethod
    def load(cls, folder: Path) -> "MotionCodec":
        """Read a checkpoint folder; in evaluation mode.

        Raises:
            WeightsError: no checkpoint of a tokenizer there, or damaged.
            ConfigError: its settings are not this version's.
        """
        checkpoint = load_checkpoint(folder, KIND)
        config = parse_config(RvqConfig, checkpoint.config, str(folder))
        codec = cls(config, torch.zeros(config.motion_dim), torch.ones(config.motion_dim))
        load_state(codec, checkpoint.tensors, folder)
        return codec.eval()
