import pytest

from hero_core.errors import ConfigError
from trainer.config import load_train_config


def test_paper_preset_has_the_published_hyper_parameters():
    config = load_train_config("paper", None, [])
    rvq, masked, residual = config.rvq, config.masked, config.residual
    assert (rvq.training.lr, rvq.training.betas, rvq.training.weight_decay) == (2e-4, (0.9, 0.99), 0.0)
    assert (rvq.training.warmup_steps, rvq.training.milestones, rvq.training.gamma) == (
        20,
        (1600, 3200),
        0.05,
    )
    assert (rvq.training.batch_size, rvq.training.window_frames, rvq.training.epochs) == (256, 20, 10)
    assert (rvq.model.quantizers, rvq.model.codebook_size, rvq.model.code_dim, rvq.model.width) == (
        6,
        512,
        512,
        512,
    )
    for section in (masked, residual):
        training, model = section.training, section.model
        assert (training.lr, training.betas, training.weight_decay) == (2e-4, (0.9, 0.99), 1e-5)
        assert (training.warmup_steps, training.milestones, training.gamma) == (250, (6000,), 0.1)
        assert (training.batch_size, training.epochs, training.gradient_clip) == (64, 200, None)
        assert (model.latent_dim, model.ff_size, model.heads, model.layers) == (384, 1024, 6, 6)
        assert (model.dropout, model.condition_drop, model.max_tokens) == (0.2, 0.1, 50)
    assert (config.seed, config.selection, config.feat_bias) == (3407, "validation", 25.0)


def test_demo_differs_in_sizes_and_steps_only():
    sized = {"model", "training"}
    paper, demo = (load_train_config(name, None, []) for name in ("paper", "demo"))
    for name in ("rvq", "masked", "residual", "evaluator"):
        ours, theirs = (getattr(config, name).training.model_dump() for config in (paper, demo))
        assert ours["betas"] == theirs["betas"]
        assert ours["weight_decay"] == theirs["weight_decay"]
        assert ours["official_warmup"] == theirs["official_warmup"]
    keep = {"rvq": sized, "masked": sized, "residual": sized, "evaluator": sized}
    keep_and_statistics = keep | {"feat_bias": True}  # MiniViMo's own statistics ask for another one
    assert paper.model_dump(exclude=keep_and_statistics) == demo.model_dump(exclude=keep_and_statistics)


def test_file_and_overrides_replace_the_preset(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("seed = 5\n[masked.training]\nlr = 1e-3\nbatch_size = 8\n")
    config = load_train_config("demo", file, ["masked.training.batch_size=16", "selection=official-test"])
    assert (config.seed, config.selection) == (5, "official-test")
    assert (config.masked.training.lr, config.masked.training.batch_size) == (1e-3, 16)
    assert config.residual == load_train_config("demo", None, []).residual


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("masked.training.learning_rate=1", "masked.training.learning_rate"),
        ("maskd.training.lr=1", "maskd"),
        ("rvq.training.window_frames=21", "rvq.training.window_frames"),
        ("rvq.model.downsamplings=3", "tokens of 4 frames"),
        ("selection=test", "selection"),
        ("masked.training.lr=0", "masked.training.lr"),
        ("seed", "key=value"),
    ],
)
def test_unknown_and_impossible_settings_are_refused(override, complaint):
    with pytest.raises(ConfigError, match=complaint):
        load_train_config("demo", None, [override])


def test_training_must_end(tmp_path):
    from trainer.config import TrainingConfig

    with pytest.raises(ValueError, match="epochs or steps"):
        TrainingConfig()
    assert TrainingConfig(epochs=3).total_steps(10) == 30
    assert TrainingConfig(epochs=3, steps=12).total_steps(10) == 12


def test_fingerprint_covers_what_decides_the_numbers():
    def fingerprint(*overrides):
        return load_train_config("demo", None, overrides).fingerprint("masked")

    assert fingerprint() == fingerprint("workers=3", "tensorboard=true", "rvq.training.lr=1e-3")
    assert len({fingerprint(), fingerprint("seed=1"), fingerprint("masked.training.lr=1e-3")}) == 3
