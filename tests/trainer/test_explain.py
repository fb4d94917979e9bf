import tomllib
from itertools import pairwise

import pytest

from hero_core.config import Config
from trainer.config import load_train_config
from trainer.explain import descriptions, explained


@pytest.mark.parametrize("preset", ["paper", "official", "demo"])
def test_it_is_a_settings_file_of_the_same_settings(tmp_path, preset):
    config = load_train_config("hero", preset, overrides=["seed=5", "masked.training.lr=1e-3"])
    file = tmp_path / "mine.toml"
    file.write_text(explained(config))
    assert load_train_config("hero", preset, file) == config


def test_every_setting_has_a_comment_and_unset_ones_are_named():
    lines = explained(load_train_config()).splitlines()
    settings = [line for line in lines if line and not line.startswith(("#", "["))]
    assert len(settings) > 90
    before = {line: previous for previous, line in pairwise(lines)}
    assert [line for line in settings if not before.get(line, "# the first").startswith("# ")] == []
    assert "# gradient_clip = (unset)" in lines
    assert "# of weights, order, crops, masks and dropout." in lines


def test_every_setting_is_described():
    def undescribed(config):
        words = descriptions(type(config))
        for name in type(config).model_fields:
            value = getattr(config, name)
            if isinstance(value, Config):
                yield from undescribed(value)
            elif not words.get(name):
                yield f"{type(config).__name__}.{name}"

    assert list(undescribed(load_train_config())) == []


class Base(Config):
    """One.

    Attributes:
        first, second: of the base, and
            more words.
    """

    first: int = 1
    second: int = 2


class Derived(Base):
    """Two.

    Attributes:
        second: its own: with a colon.
        name: a word.

    Raises:
        nothing: at all.
    """

    name: str = 'quoted "word"'


def test_descriptions_come_from_the_class_and_its_bases():
    assert descriptions(Derived) == {
        "first": "of the base, and more words.",
        "second": "its own: with a colon.",
        "name": "a word.",
    }
    assert tomllib.loads(explained(Derived())) == {"first": 1, "second": 2, "name": 'quoted "word"'}
