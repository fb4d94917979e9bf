"""What torch's transformer layers, which the published models are made of, call the tensors of our blocks."""

_PREFIXES = {
    "self_attn.in_proj": "attention.inputs",
    "self_attn.out_proj": "attention.out",
    "linear1": "feed_forward.0",
    "linear2": "feed_forward.3",
    "norm1": "attention_norm",
    "norm2": "feed_forward_norm",
}


def rename_in_block(name: str) -> str:
    """A tensor of ``nn.TransformerEncoderLayer`` as our :class:`Block` calls it; other names stay as they are."""
    for kind in ("weight", "bias"):
        prefix = name.removesuffix(kind)[:-1]  # a dot, or in_proj's underscore
        if name.endswith(kind) and prefix in _PREFIXES:
            return f"{_PREFIXES[prefix]}.{kind}"
    return name
