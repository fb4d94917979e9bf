"""One choice of where to compute."""

import pytest

from hero_core.device import choose_device
from hero_core.errors import ConfigError


@pytest.mark.parametrize("available", [True, False])
def test_auto_takes_the_graphics_card_where_there_is_one(
    available: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: available)
    assert choose_device("auto").type == ("cuda" if available else "cpu")
    assert choose_device("cpu").type == "cpu"
    if available:
        assert choose_device("cuda").type == "cuda"
    else:
        with pytest.raises(ConfigError, match="--device cpu"):
            choose_device("cuda")
