import pytest

from trainer.config import TrainingConfig
from trainer.schedules import learning_rate

TRANSFORMER = TrainingConfig(epochs=200, lr=2e-4, warmup_steps=250, milestones=(6000,), gamma=0.1)
RVQ = TrainingConfig(epochs=10, lr=2e-4, warmup_steps=20, milestones=(1600, 3200), gamma=0.05)


def official(config, delay=0):
    return config.model_copy(update={"official_warmup": True, "milestone_delay_steps": delay})


def test_warm_up_is_linear_and_reaches_the_base_rate():
    assert learning_rate(TRANSFORMER, 1) == pytest.approx(2e-4 * 2 / 251)
    assert learning_rate(TRANSFORMER, 249) == pytest.approx(2e-4 * 250 / 251)
    assert [learning_rate(TRANSFORMER, step) for step in (250, 251, 6000)] == [2e-4] * 3


def test_milestones_act_after_their_step():
    assert learning_rate(TRANSFORMER, 6001) == pytest.approx(2e-5)
    assert learning_rate(RVQ, 1600) == 2e-4
    assert learning_rate(RVQ, 1601) == pytest.approx(1e-5)
    assert learning_rate(RVQ, 3201) == pytest.approx(5e-7)


def test_official_warm_up_never_restores_the_base_rate():
    assert learning_rate(official(RVQ), 100) == pytest.approx(1.90476e-4, rel=1e-5)
    assert learning_rate(official(TRANSFORMER), 300) == pytest.approx(1.99203e-4, rel=1e-5)


def test_official_tokenizer_milestones_wait_for_the_warm_up():
    late = official(RVQ, delay=19)
    rates = [learning_rate(late, step) for step in (1619, 1620, 3219, 3220)]
    base = 2e-4 * 20 / 21
    assert rates == pytest.approx([base, base * 0.05, base * 0.05, base * 0.05**2])
    assert learning_rate(official(TRANSFORMER), 6000) == pytest.approx(2e-4 * 250 / 251)
    assert learning_rate(official(TRANSFORMER), 6001) == pytest.approx(2e-5 * 250 / 251)


def test_no_warm_up():
    plain = TrainingConfig(steps=1, lr=1e-3)
    assert learning_rate(plain, 1) == learning_rate(official(plain), 1) == 1e-3


@pytest.mark.parametrize("schedule", [TRANSFORMER, RVQ, official(TRANSFORMER), official(RVQ, delay=19)])
def test_agrees_with_stepping_torch_schedulers(schedule):
    """The release's two loops, with torch's MultiStepLR, against the closed form."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=schedule.lr)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, list(schedule.milestones), schedule.gamma)
    warm, waits = schedule.warmup_steps, schedule.milestone_delay_steps > 0  # the tokenizer's loop waits
    for step in range(1, 3400):
        if step < warm:
            optimizer.param_groups[0]["lr"] = schedule.lr * (step + 1) / (warm + 1)
        elif step == warm and not schedule.official_warmup:
            optimizer.param_groups[0]["lr"] = schedule.lr
        assert learning_rate(schedule, step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        if step >= warm or not waits:
            scheduler.step()
