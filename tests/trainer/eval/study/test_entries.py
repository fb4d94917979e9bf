import pytest

from hero_core.errors import ConfigError
from trainer.eval.study.entries import ablation_entries, generator_entries


def test_settings_go_to_all_or_to_the_one_that_they_name():
    lines = ["motions_per_video=first", "momask:masked.training.steps=7"]
    hero, momask = generator_entries(["hero", "momask"], "demo", lines)
    assert [entry.config.motions_per_video for entry in (hero, momask)] == ["first", "first"]
    steps = [entry.config.section("masked").training.steps for entry in (hero, momask)]
    assert steps[1] == 7 != steps[0]


def test_each_ablation_is_a_line_with_the_others_settings():
    entries = ablation_entries("hero", "demo", ["hero:masked.training.steps=7"])
    assert [entry.name for entry in entries] == ["hero", "hero-no-iie", "hero-no-die", "hero-no-both"]
    assert {entry.config.section("masked").training.steps for entry in entries} == {7}
    assert [entry.settings_from["overrides"][-1] for entry in entries] == [
        f"ablation={name}" for name in ("none", "no-iie", "no-die", "no-both")
    ]


@pytest.mark.parametrize("line", ["mld:seed=3", "heor:masked.training.steps=1"])
def test_a_setting_of_a_generator_that_has_no_line_is_refused(line):
    with pytest.raises(ConfigError, match="is not in this table"):
        ablation_entries("hero", "demo", [line])
    with pytest.raises(ConfigError, match="is not in this table"):
        generator_entries(["hero", "momask"], "demo", [line])
