"""T2M-GPT (Zhang et al., CVPR 2023): one codebook, and a causal transformer that draws its codes one after another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, cast

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from hero_core.config import Config, parse_config
from hero_core.errors import ConfigError
from hero_core.models.attention import FeedForward, Memory
from hero_core.models.base import Batch, Reactions, TrainingFacts, VideoFeatures, register
from hero_core.models.blocks import Block, bias_of
from hero_core.models.generators.hero.intention import ConditionConfig, condition_vector, intention_of
from hero_core.models.lengths import whole_lengths
from hero_core.models.padding import valid_mask
from hero_core.models.positions import sinusoidal_positions
from hero_core.models.precision import product_dtype
from hero_core.models.ranks import ALONE, Ranks
from hero_core.models.sampling import Uniform, generating, sample_tokens, uniform_from
from hero_core.models.tokenizers.codebook import NO_CODE
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.format import FRAMES_PER_TOKEN

INIT_STD = 0.02


class VqConfig(RvqConfig):
    """Settings of the tokenizer: those of HERO's, with one codebook, the nearest code always, and no dropout."""

    quantizers: Literal[1] = 1
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    quantize_dropout: float = Field(0.0, ge=0.0, le=1.0)
    sample_temperature: float = Field(0.0, ge=0.0)


class VqTokenizer(RvqTokenizer):
    """Motions <-> the codes of one codebook."""

    kind: ClassVar[str] = "t2mgpt-vq"
    settings: ClassVar[type[VqConfig]] = VqConfig


class GptConfig(ConditionConfig):
    """Settings of the causal transformer; the defaults are the published model.

    Attributes:
        codebook_size: motion codes; in training, the tokenizer's.
        width: of the sequence.
        layers: blocks in all; published as two stacks of nine, between which nothing stands.
        heads: attention heads of each block.
        ff_size: hidden width of their feed-forward networks.
        dropout: in the blocks, in training.
        max_tokens: longest sequence, in tokens of four frames.
        keep_share: in training, how likely each token that the model reads stays as it is; in place of the others it
            reads any code, so that it learns to go on from its own mistakes. The paper's tau is one minus this.
    """

    of_weights: ClassVar[frozenset[str]] = frozenset(
        {"codebook_size", "width", "layers", "heads", "ff_size", "feature_dim", "use_iie", "intention_heads"}
    )

    codebook_size: PositiveInt = 512
    width: PositiveInt = 1024
    layers: PositiveInt = 18
    heads: PositiveInt = 16
    ff_size: PositiveInt = 4096
    dropout: float = Field(default=0.1, ge=0, lt=1)
    max_tokens: PositiveInt = 50
    keep_share: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Self:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width {self.width} must be even and divisible by heads {self.heads}")
        return self


class T2mGptSampling(Config):
    """How reactions are generated. The defaults are the published evaluation: any code, as likely as it is predicted.

    Attributes:
        temperature: 1 samples the predicted distribution, 0 takes its maximum.
        top_k_ratio: share of the classes that stay eligible, the likeliest ones.
    """

    temperature: float = Field(default=1.0, ge=0)
    top_k_ratio: float = Field(default=1.0, gt=0, le=1)


@dataclass(frozen=True)
class CorruptionDraws:
    """All that is random in one training step of ``(b, m)`` tokens.

    Attributes:
        keep: ``(b, m)`` bool, where the model reads the true token; elsewhere one of ``random_tokens`` ``(b, m)``.
    """

    keep: Tensor
    random_tokens: Tensor

    @classmethod
    def draw(cls, tokens: Tensor, codebook_size: int, keep_share: float, rng: torch.Generator) -> Self:
        """Fresh draws for ``tokens`` ``(b, m)``."""
        uniform = uniform_from(rng, tokens.device)
        return cls(
            keep=uniform(tokens.shape) < keep_share,
            random_tokens=(uniform(tokens.shape) * codebook_size).long(),
        )


class CausalBlock(Block):
    """A pre-norm block that can also go on from what it remembers of the positions before."""

    def __init__(self, config: GptConfig) -> None:
        super().__init__(config.width, config.heads, config.ff_size, config.dropout, norm_first=True)
        self.feed_forward = FeedForward(config.width, config.ff_size, hidden_dropout=0.0)

    def extend(self, x: Tensor, past: Memory | None) -> tuple[Tensor, Memory]:
        """One more position ``(b, 1, d)``, which sees all of the ``past`` and itself; and what is past after it."""
        normed = self.attention_norm(x)
        memory = self.attention.look_at(normed)
        if past is not None:
            memory = Memory(*(torch.cat(each, dim=2) for each in zip(past, memory, strict=True)))
        gathered = self.attention.gather(self.attention.query(normed), memory)
        x = x + self.dropout(self.attention.out(gathered))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x))), memory


class GptTransformer(nn.Module):
    """Predicts each code of a motion, and its end, from the video and the codes before.

    The sequence is [condition | tokens]; what comes out at each position predicts the token behind it. One class more
    than there are codes means END.
    """

    kind: ClassVar[str] = "t2mgpt-gpt"
    settings: ClassVar[type[GptConfig]] = GptConfig
    trained_on: ClassVar[Literal["pairs"]] = "pairs"
    encoded_by: ClassVar[str] = "vq"
    metric: ClassVar[str] = "total"
    validation_draws: ClassVar[int] = 1
    recordable: ClassVar[bool] = True
    blocks: ClassVar[tuple[type[Any], ...]] = (CausalBlock,)

    def __init__(self, config: GptConfig) -> None:
        super().__init__()
        self.config = config
        self.end_id = config.codebook_size
        self.pad_id = config.codebook_size + 1
        self.intention = intention_of(config)
        self.condition_projection = nn.Linear(config.feature_dim, config.width)
        self.token_embedding = nn.Embedding(config.codebook_size + 2, config.width)
        self.layers = nn.ModuleList(CausalBlock(config) for _ in range(config.layers))
        self.final_norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.codebook_size + 1, bias=False)
        self.positions: Tensor
        positions = sinusoidal_positions(config.max_tokens + 1, config.width)
        self.register_buffer("positions", positions, persistent=False)
        _initialise(self)

    @classmethod
    def build(cls, config: GptConfig, facts: TrainingFacts) -> Self:
        """A new transformer for the codes of the tokenizer and the features of the data.

        Raises:
            ConfigError: impossible sizes, or longer motions than ``max_tokens``.
        """
        needed = facts.longest_frames // FRAMES_PER_TOKEN
        if needed > config.max_tokens:
            raise ConfigError(
                f"there are motions of {facts.longest_frames} frames, which need gpt.model.max_tokens of at least "
                f"{needed}, but it is {config.max_tokens}"
            )
        decided = {
            "codebook_size": facts.parts["vq"].config.codebook_size,
            "feature_dim": facts.feature_dim,
        }
        return cls(parse_config(GptConfig, config.model_dump() | decided, "gpt.model"))

    def logits(self, tokens: Tensor, condition: VideoFeatures) -> Tensor:
        """``(b, m)`` ids -> ``(b, m + 1, codebook_size + 1)``: of the first token, those behind each, and END."""
        hidden = torch.cat([self._condition(condition), self.token_embedding(tokens)], dim=1)  # (b, m + 1, d)
        size = hidden.shape[1]
        hidden = hidden + self.positions[:size]
        causal = torch.ones(1, size, size, dtype=torch.bool, device=hidden.device).tril()
        bias = bias_of(causal, product_dtype(hidden))
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return self._classes(hidden)

    def losses(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Losses of one training step; in evaluation mode the model reads only true tokens.

        Args:
            batch: the codes are ``batch.tokens[..., 0]``; what stands past a sample's length is ignored.
            rng: decides which tokens are replaced.

        Returns:
            ``total``, the negative log-likelihood of a motion's tokens and its END, a mean over each motion and then
            over the motions; and ``accuracy``, over all of these tokens.
        """
        tokens = batch.tokens[..., 0]  # (b, m)
        keep_share = self.config.keep_share if self.training else 1.0
        draws = CorruptionDraws.draw(tokens, self.config.codebook_size, keep_share, rng)
        return self.likelihood(tokens, batch.lengths // FRAMES_PER_TOKEN, batch.video, draws, batch.ranks)

    def likelihood(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        condition: VideoFeatures,
        draws: CorruptionDraws,
        ranks: Ranks = ALONE,
    ) -> dict[str, Tensor]:
        """:meth:`losses` of codes ``(b, m)`` with these random draws; computes this rank's rows."""
        own = ranks.own
        targets = self.ended(tokens, token_lengths)  # (b, m + 1)
        logits = self.logits(own(self.corrupt(targets, draws)), condition.map(own))
        count = (token_lengths + 1).sum() / ranks.world
        targets, lengths = own(targets), own(token_lengths + 1)
        surprise = F.cross_entropy(
            logits.mT, targets, ignore_index=self.pad_id, reduction="none"
        )  # (b, m + 1)
        right = logits.argmax(dim=-1) == targets  # PAD is no class
        return {"total": (surprise.sum(dim=1) / lengths).mean(), "accuracy": right.sum() / count}

    def ended(self, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """Codes ``(b, m)`` with END behind the last of each motion, and PAD behind that: ``(b, m + 1)``."""
        ended = F.pad(tokens, (0, 1)).masked_fill(
            ~valid_mask(token_lengths, tokens.shape[1] + 1), self.pad_id
        )
        return ended.scatter(1, token_lengths[:, None], self.end_id)

    def corrupt(self, ended: Tensor, draws: CorruptionDraws) -> Tensor:
        """What the model reads ``(b, m)`` of :meth:`ended` tokens ``(b, m + 1)``."""
        return torch.where(draws.keep, ended[:, :-1], draws.random_tokens)

    @torch.no_grad()
    def generate(
        self,
        condition: VideoFeatures,
        token_lengths: Tensor | None,
        uniform: Uniform,
        settings: T2mGptSampling,
    ) -> Tensor:
        """Codes for videos: ``(b, m)`` ids, -1 past each length; m is the longest length.

        Each position takes ``(b, codebook_size + 1)`` uniform numbers. Without ``token_lengths`` ``(b,)`` a motion ends
        where END is drawn, or at ``max_tokens``; END is no class at the first position, so that every motion has a
        token (the published code fails there). With them END is no class at all, and a motion ends at its length.
        """
        batch, device = len(condition.global_feature), condition.global_feature.device
        given = token_lengths is not None
        lengths = (
            torch.full((batch,), self.config.max_tokens, device=device)
            if token_lengths is None
            else token_lengths
        )
        columns: list[Tensor] = []
        with generating(self):
            hidden = self._condition(condition)  # (b, 1, d)
            pasts: list[Memory | None] = [None] * len(self.layers)
            for place in range(int(lengths.max())):
                logits, pasts = self._extend(hidden + self.positions[place], pasts)  # (b, classes)
                if given or place == 0:
                    logits[:, self.end_id] = -torch.inf
                drawn = sample_tokens(
                    logits, uniform(logits.shape), settings.temperature, settings.top_k_ratio
                )
                lengths = torch.where(drawn == self.end_id, lengths.clamp(max=place), lengths)
                if not given and bool((lengths <= place).all()):
                    break
                columns.append(drawn)
                hidden = self.token_embedding(drawn)[:, None]  # (b, 1, d)
        tokens = torch.stack(columns, dim=1)  # (b, m)
        return tokens.masked_fill(~valid_mask(lengths, tokens.shape[1]), NO_CODE)

    def _condition(self, condition: VideoFeatures) -> Tensor:
        """``(b, 1, d)``, the first position."""
        feature = condition_vector(condition, self.intention)
        projected: Tensor = self.condition_projection(feature)[:, None]
        return projected

    def _extend(self, hidden: Tensor, pasts: list[Memory | None]) -> tuple[Tensor, list[Memory | None]]:
        """Logits ``(b, classes)`` at one more position ``(b, 1, d)``, and what every block remembers after it."""
        after: list[Memory | None] = []
        for layer, past in zip(self.layers, pasts, strict=True):
            hidden, memory = cast(CausalBlock, layer).extend(hidden, past)
            after.append(memory)
        return self._classes(hidden)[:, 0], after

    def _classes(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.head(self.final_norm(hidden))
        return logits


@register
class T2mGpt(nn.Module):
    """Tokenizer and causal transformer as one generator."""

    kind: ClassVar[str] = "t2mgpt"
    parts: ClassVar[Mapping[str, type[Any]]] = {"vq": VqTokenizer, "gpt": GptTransformer}
    settings: ClassVar[type[Config]] = Config
    sampling_settings: ClassVar[type[Config]] = T2mGptSampling
    chooses_length: ClassVar[bool] = True
    stops_by_itself: ClassVar[bool] = True

    def __init__(self, parts: Mapping[str, Any], sampling: T2mGptSampling | None = None) -> None:
        """Put the parts together.

        Raises:
            ConfigError: they were not made for the same codes.
        """
        super().__init__()
        self.tokenizer: VqTokenizer = parts["vq"]
        self.gpt: GptTransformer = parts["gpt"]
        self.sampling = sampling or T2mGptSampling()
        codes, predicted = self.tokenizer.config.codebook_size, self.gpt.config.codebook_size
        if codes != predicted:
            raise ConfigError(
                f"the parts do not fit together: vq has {codes} codes, gpt predicts {predicted}"
            )

    @property
    def feature_dim(self) -> int:
        """Length of a feature vector."""
        return self.gpt.config.feature_dim

    @property
    def max_length(self) -> int:
        """Longest reaction, in frames."""
        return self.gpt.config.max_tokens * self.tokenizer.unit_length

    @torch.no_grad()
    def generate(self, condition: VideoFeatures, lengths: Tensor | None, rng: torch.Generator) -> Reactions:
        """Reactions to videos; see :class:`hero_core.models.base.Generator` and :meth:`GptTransformer.generate`."""
        device, unit = condition.global_feature.device, self.tokenizer.unit_length
        token_lengths = None
        if lengths is not None:
            token_lengths = (
                torch.tensor(whole_lengths(condition, lengths, self.max_length), device=device) // unit
            )
        codes = self.gpt.generate(condition, token_lengths, uniform_from(rng, device), self.sampling)
        token_lengths = (codes != NO_CODE).sum(dim=1)  # (b,)
        with generating(self.tokenizer):
            motion = self.tokenizer.decode_each(codes[..., None], token_lengths)
        return Reactions(motion, token_lengths.cpu() * unit)

    @torch.no_grad()
    def reconstruct(self, motion: Tensor, lengths: Tensor) -> Tensor:
        """Motions ``(b, n, 263)`` through the tokenizer and back, zero past each length."""
        tokens = self.tokenizer.encode(motion, lengths)
        return self.tokenizer.decode_each(tokens, lengths // self.tokenizer.unit_length)


def _initialise(model: GptTransformer) -> None:
    """The official initial weights: N(0, 0.02) and zero biases."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=INIT_STD)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
