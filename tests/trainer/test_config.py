import pytest

from hero_core.config import parse_config
from hero_core.errors import ConfigError
from hero_core.fingerprint import differences
from trainer.config import TrainingConfig, load_train_config, trainable
from trainer.preset_files import presets


def load(preset="demo", *overrides, **arguments):
    return load_train_config("hero", preset, overrides=overrides, **arguments)


def test_paper_preset_has_the_published_hyper_parameters():
    config = load_train_config("hero", "paper")
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


DEMO_DIFFERS_IN = {
    "feat_bias",
    "rvq.training.pretrained_on",
    *(f"rvq.model.{name}" for name in ("width", "code_dim", "codebook_size", "quantizers", "depth")),
    *(f"rvq.model.{name}" for name in ("dropout", "least_code_use", "sample_temperature")),
    *(
        f"{part}.model.{name}"
        for part in ("masked", "residual")
        for name in ("code_dim", "latent_dim", "ff_size", "layers", "heads", "frame_time")
    ),
    "masked.training.average_decay",
    "length.model.width",
    "length.model.use_iie",
    "sampling.guidance_scale",
    *(
        f"{evaluator}.model.{name}"
        for evaluator in ("evaluator", "joint_evaluator")
        for name in ("movement_hidden", "movement_dim", "motion_hidden", "embedding_dim")
    ),
}


def test_demo_differs_from_paper_in_what_it_says_and_in_lengths_and_rates_only():
    """Everything else is the paper's: losses, masking, ablations, warm-up rule, and what is not named."""
    schedule = (
        "batch_size",
        "epochs",
        "steps",
        "lr",
        "warmup_steps",
        "milestones",
        "gamma",
        "evaluate_every_steps",
        "evaluate_every_epochs",
    )
    scheduled = {f"{part}.training.{name}" for part in trainable("hero") for name in schedule}
    found = {line.partition(":")[0] for line in differences(load("paper"), load("demo"))}
    assert found - scheduled == DEMO_DIFFERS_IN
    assert found & scheduled >= {f"{part}.training.steps" for part in trainable("hero")}


def test_file_and_overrides_replace_the_preset(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("seed = 5\n[masked.training]\nlr = 1e-3\nbatch_size = 8\n")
    config = load("demo", "masked.training.batch_size=16", "selection=official-test", toml_path=file)
    assert (config.seed, config.selection) == (5, "official-test")
    assert (config.masked.training.lr, config.masked.training.batch_size) == (1e-3, 16)
    assert config.residual == load().residual


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("masked.training.learning_rate=1", r"masked\.training\.learning_rate: no such setting.*known: lr"),
        ("masked.training.stepz=1", r"did you mean masked\.training\.steps\?"),
        ("masked.model.use_ie=false", r"did you mean masked\.model\.use_iie\?"),
        ("maskd.training.lr=1", r"maskd: no such setting; did you mean masked\?"),
        ("ablation=no-ieee", "ablation"),
        ("rvq.training.window_frames=21", r"rvq\.training\.window_frames"),
        ("selection=test", "selection"),
        ("masked.training.lr=0", r"masked\.training\.lr"),
        ("seed", "key=value"),
        ("evaluator.model.sees=joints", r"evaluator\.model\.sees: what this one sees is vectors"),
        ("generator=other", "settings are for generator other, not for hero"),
    ],
)
def test_unknown_and_impossible_settings_are_refused(override, complaint):
    with pytest.raises(ConfigError, match=complaint):
        load("demo", override)


def test_unknown_generators_and_presets_list_those_there_are():
    with pytest.raises(ConfigError, match="no generator is called 'herro'; there are .*hero"):
        load_train_config("herro")
    with pytest.raises(ConfigError, match="hero has no preset 'dmeo'; its presets: demo, official, paper"):
        load("dmeo")


def test_presets_spell_nothing_wrong(tmp_path):
    """Every preset loads, names its own generator's settings, and changes something."""
    default = load_train_config("hero", "paper")
    assert default == load_train_config(), "paper is the default"
    for name in presets("hero"):
        assert load(name).model_dump() != type(default)().model_dump()


def test_ablations_reach_both_transformers_and_nothing_else():
    for ablation, iie, die in (("no-iie", False, True), ("no-die", True, False), ("no-both", False, False)):
        config = load("demo", f"ablation={ablation}")
        for section in (config.masked, config.residual):
            assert (section.model.use_iie, section.model.use_die) == (iie, die)
        for name in ("rvq", "evaluator"):
            assert config.fingerprint(name) == load().fingerprint(name)
        for name in ("masked", "residual"):
            assert config.fingerprint(name) != load().fingerprint(name)


def test_the_joint_evaluator_is_as_the_evaluator_where_nothing_else_is_said():
    config = load("demo", "evaluator.training.steps=7", "evaluator.margin=5", "joint_evaluator.margin=6")
    first, second = config.evaluator, config.joint_evaluator
    assert second.training == first.training
    assert second.model == first.model.model_copy(update={"sees": "joints"})
    assert (first.margin, second.margin) == (5, 6)
    later = load_train_config(None, None, None, ["evaluator.training.steps=9"], config)
    assert later.evaluator.training.steps == later.joint_evaluator.training.steps == 9
    assert later.joint_evaluator.margin == 6
    assert first.model.sees == "vectors"
    assert type(config)().joint_evaluator.model.sees == "joints"


def test_a_section_stored_before_there_was_a_joint_evaluator_is_read():
    values = load("demo").model_dump(mode="json")
    del values["joint_evaluator"]
    assert parse_config(type(load()), values, "old") == load("demo")


def test_training_ends():
    assert TrainingConfig(epochs=3).total_steps(10) == 30
    assert TrainingConfig(epochs=3, steps=12).total_steps(10) == 12
    assert TrainingConfig(steps=12).total_steps(1) == 12
    assert TrainingConfig().total_steps(10) == 1000


def test_fingerprint_covers_what_decides_the_numbers_but_not_how_long():
    def fingerprint(*overrides):
        return load("demo", *overrides).fingerprint("masked")

    same = ("reading=mapped", "tensorboard=true", "rvq.training.lr=1e-3")
    longer = ("steps=9", "epochs=3", "log_every_steps=1", "save_every_steps=1", "pretrained_on=all")
    assert fingerprint() == fingerprint(*same, *(f"masked.training.{setting}" for setting in longer))
    others = ("seed=1", "masked.training.lr=1e-3", "masked.training.milestones=[9]", "masked.model.layers=1")
    assert len({fingerprint(), *map(fingerprint, others)}) == 5


def test_changes_are_those_that_concern_a_part():
    mine = load()
    other = load(
        "demo", "masked.training.lr=1", "rvq.training.lr=1", "masked.training.log_every_steps=3", "seed=1"
    )
    lr = f"masked.training.lr: {mine.masked.training.lr} != 1.0"
    assert mine.changes(other, "masked") == [lr, "seed: 3407 != 1"]
    assert mine.changes(mine, "masked") == []


def test_stored_settings_come_back():
    config = load("demo", "ablation=no-iie", "masked.training.epochs=3")
    assert type(config).model_validate(config.model_dump(mode="json")) == config


def test_the_official_preset_is_the_paper_s_with_every_quirk_of_the_release() -> None:
    config = load("official")
    changed = {line.partition(":")[0] for line in differences(load("paper"), config)}
    assert changed == {
        "selection",
        "rvq.model.code_reset",
        "masked.model.mask_over_padded",
        "residual.model.allow_pad_class",
        "rvq.training.milestone_delay_steps",
        "residual.training.select_by",
        *(f"{part}.training.evaluate_every_epochs" for part in ("masked", "residual")),
        *(f"{part}.training.official_warmup" for part in ("rvq", "masked", "residual")),
    }
    sections = [config.section(part) for part in ("rvq", "masked", "residual")]
    quirks = [config, *(section.model for section in sections), *(section.training for section in sections)]
    assert all(on for each in quirks for on in each.official_choices().values())
    assert config.rvq.training.milestone_delay_steps == config.rvq.training.warmup_steps - 1
    assert load("official", "selection=validation").selection == "validation"


def test_the_official_release_s_quirks_are_named_and_off_by_default() -> None:
    config = load_train_config("hero", "paper", None, ["masked.model.mask_over_padded=true"])
    assert config.official_choices() == {"selection": False, "feat_bias": True}
    assert config.section("masked").model.official_choices() == {
        "guidance_keeps_frames": True,
        "mask_over_padded": True,
    }
    assert config.section("rvq").model.official_choices() == {"code_reset": False}
    assert config.section("rvq").training.official_choices() == {"official_warmup": False}
