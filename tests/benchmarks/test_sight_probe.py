import numpy as np
import torch

from benchmarks.mini_scores import owner
from benchmarks.sight_probe import PLAIN, SightProbe, Sights, plain_to_see
from pipeline.minivimo import sample_clip
from pipeline.minivimo.sight import SIGHT_FIELDS, sight

FEATURE_DIM = 512
SIGHTS = Sights.of(5)


def truths(count: int) -> torch.Tensor:
    """(count, fields) of one frame of each of as many clips."""
    plans = [sample_clip(5, index) for index in range(count)]
    return torch.from_numpy(np.stack([sight(plan, plan.event_seconds) for plan in plans]))


def test_a_few_steps_lower_the_loss():
    truth = truths(8)
    probe = SightProbe(FEATURE_DIM, SIGHTS)
    features = torch.randn(8, FEATURE_DIM, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(probe.parameters(), 0.01)
    losses = []
    for _ in range(60):
        loss = probe.losses(features, truth, 0.1).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_right_answers_cost_nothing_and_what_is_absent_costs_less():
    truth = truths(50)
    probe = SightProbe(len(SIGHT_FIELDS), SIGHTS)
    shown = torch.tensor([field.endswith("_shown") for field in SIGHT_FIELDS])
    with torch.no_grad():
        probe.weight.copy_(torch.diag(torch.where(shown, 40.0, 1 / probe.scales)))
        probe.bias.copy_(torch.where(shown, -20.0, 0.0))
        hard = torch.where(shown, truth.round(), truth)
        assert probe.losses(hard, hard, 0.1).max() < 1e-6
        column = SIGHT_FIELDS.index("dog_x")
        there = truth[:, owner("dog_x")] > 0.5
        assert 0 < there.sum() < 25
        wrong = hard.clone()
        wrong[~there, column] += 1
        mild, strict = (probe.losses(wrong, hard, weight)[column] for weight in (0.1, 1.0))
        assert mild < 0.75 * strict
        wrong = hard.clone()
        wrong[there, column] += 1
        assert probe.losses(wrong, hard, 0.1)[column] > probe.losses(wrong, hard, 1.0)[column]


def test_deviations_are_of_numbers_where_they_are_shown():
    deviations = dict(zip(SIGHT_FIELDS, SIGHTS.deviations.tolist(), strict=True))
    assert all(deviations[field] == 1 for field in SIGHT_FIELDS if field.endswith("_shown"))
    assert all(0.02 < value <= 1 for value in deviations.values())
    assert deviations["dog_x"] > 0.2  # over all frames, most of them without a dog, it would be far less


def test_what_is_plain_to_see_and_how_rare_it_is():
    truth = torch.zeros(3, len(SIGHT_FIELDS))
    truth[0, SIGHT_FIELDS.index("ball_shown")] = 1
    truth[:, SIGHT_FIELDS.index("ball_x")] = 0.1  # only the first frame shows a ball
    truth[:2, SIGHT_FIELDS.index("person_shown")] = 1
    truth[1:, SIGHT_FIELDS.index("face_slant")] = 0.9  # the third frame shows nobody
    truth[:2, [SIGHT_FIELDS.index(f"{side}_hand_up") for side in ("left", "right")]] = -0.93
    plain = plain_to_see(truth)
    assert plain.sum() == 3
    assert plain[1, PLAIN.index(("face_slant", 0.5))] == 1
    assert plain[0, [PLAIN.index(("ball_x", left)) for left in (-0.35, 0.0)]].all()
    assert (SIGHTS.plain_rarity == 15).any()  # such frames are few
    rarity = dict(zip(SIGHT_FIELDS, SIGHTS.rarity.tolist(), strict=True))
    assert rarity["dog_x"] == 1
    assert rarity["dog_shown"] > 3 > rarity["person_shown"]
