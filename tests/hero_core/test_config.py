"""Settings are validated once, and what is unknown is refused."""

from pathlib import Path

import pytest

from hero_core.config import Config, load_config
from hero_core.errors import ConfigError


class Inner(Config):
    layers: int = 2
    rate: float = 0.1
    name: str = "small"


class Outer(Config):
    inner: Inner = Inner()
    betas: tuple[float, float] = (0.9, 0.99)


def test_file_then_overrides(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("betas = [0.8, 0.9]\n[inner]\nlayers = 3\n")
    config = load_config(Outer, path, ["inner.rate=1e-3", "inner.name=large"], base={"inner": {"layers": 9}})
    assert config == Outer(inner=Inner(layers=3, rate=1e-3, name="large"), betas=(0.8, 0.9))


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["inner.depth=3"], r"inner\.depth: no such setting \(known: layers, rate, name\)"),
        (["inner.layer=3"], r"inner\.layer: no such setting; did you mean inner\.layers\?"),
        (["iner.layers=3"], r"iner: no such setting; did you mean inner\?"),
        (["betas=[1]"], "betas"),
        (["inner.layers=many"], "inner.layers"),
        (["layers"], "key=value"),
        (["inner.rate=nan"], "inner.rate"),
    ],
)
def test_bad_overrides_are_named(overrides: list[str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load_config(Outer, None, overrides)


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: no such"):
        load_config(Outer, tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("layers = = 3")
    with pytest.raises(ConfigError, match=r"broken\.toml: not valid TOML"):
        load_config(Outer, tmp_path / "broken.toml")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Outer().inner.layers = 5  # type: ignore[misc]


def test_only_keys_of_the_same_section_are_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Outer, None, ["inner.beta=1"])
    assert "betas" not in str(caught.value)


def test_a_section_is_not_a_value() -> None:
    with pytest.raises(ConfigError, match="inner"):
        load_config(Outer, None, ["inner=3"])


def test_the_json_that_a_run_saved_is_a_file_of_settings(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    saved = Outer(inner=Inner(layers=3, name="large"), betas=(0.8, 0.9))
    path.write_text(saved.model_dump_json())
    assert load_config(Outer, path, base={"inner": {"layers": 9}}) == saved
    for text, complaint in (("{,}", "not valid JSON"), ("[1]", "found a list")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=rf"config\.json: .*{complaint}"):
            load_config(Outer, path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(Outer, tmp_path)
