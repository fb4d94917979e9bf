import torch
from torch import nn

from hero_core.models.base import VideoFeatures
from hero_core.models.generators.hero.intention import InteractionIntention


def video(batch: int = 2, frames: int = 5, width: int = 16, seed: int = 0) -> VideoFeatures:
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, frames, width, generator=rng)
    return VideoFeatures(features, features.mean(dim=1), torch.arange(frames).expand(batch, -1) / 4)


def test_one_intention_a_clip() -> None:
    intention = InteractionIntention(width=16, heads=4)
    assert intention(video()).shape == (2, 16)


def test_order_of_frames_does_not_matter() -> None:
    intention = InteractionIntention(width=16, heads=4).eval()
    condition = video()
    shuffled = condition._replace(frames=condition.frames[:, [3, 1, 4, 0, 2]])
    torch.testing.assert_close(intention(shuffled), intention(condition))


def test_both_the_global_feature_and_the_frames_matter() -> None:
    intention = InteractionIntention(width=16, heads=4).eval()
    condition, other = video(), video(seed=1)
    base = intention(condition)
    assert not torch.allclose(base, intention(condition._replace(frames=other.frames)))
    assert not torch.allclose(base, intention(condition._replace(global_feature=other.global_feature)))


def test_without_attention_and_network_it_is_the_global_feature() -> None:
    intention = InteractionIntention(width=16, heads=4).eval()
    for last in (intention.attention.out, intention.feed_forward[-1]):
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    condition = video()
    torch.testing.assert_close(intention(condition), condition.global_feature)


def test_dropout_only_in_training() -> None:
    intention = InteractionIntention(width=16, heads=4, dropout=0.5)
    condition = video()
    assert not torch.equal(intention(condition), intention(condition))
    intention.eval()
    assert torch.equal(intention(condition), intention(condition))


def test_the_weights_of_the_frames_are_those_it_gathers_with() -> None:
    intention, condition = InteractionIntention(width=16, heads=4).eval(), video()
    weights = intention.frame_weights(condition)
    assert weights.shape == (2, 4, 5)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 4))
    attention, frames = intention.attention, intention.frames_norm(condition.frames)
    gathered = torch.einsum("bht,bhte->bhe", weights, attention.look_at(frames).values).flatten(1)
    expected = attention(intention.query_norm(condition.global_feature[:, None]), frames)[:, 0]
    torch.testing.assert_close(attention.out(gathered), expected)
