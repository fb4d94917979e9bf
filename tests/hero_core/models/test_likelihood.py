"""Tests of hero_core.models.likelihood."""

import math

import pytest
import torch

from hero_core.models.likelihood import token_losses


def test_token_losses_count_only_what_is_scored() -> None:
    logits = torch.zeros(1, 3, 4)
    logits[0, 0, 2] = 50.0
    targets, scored = torch.tensor([[2, 1, -1]]), torch.tensor([[True, True, False]])
    losses = token_losses(logits, targets, scored)
    assert losses["total"].item() == pytest.approx(math.log(4) / 2)
    assert losses["accuracy"].item() == pytest.approx(0.5)
    nothing = token_losses(logits, targets, torch.zeros_like(scored))
    assert [value.item() for value in nothing.values()] == [0.0, 0.0]
