from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hero_core.errors import InputError, WeightsError
from hero_core.models.base import Batch
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.statistics import MotionStatistics
from hero_core.official.convert import convert_rvq

CONFIG = RvqConfig(width=16, code_dim=8, codebook_size=12, quantizers=3, depth=2)
OPTIONS = {
    "width": "16",
    "output_emb_width": "8",
    "code_dim": "8",
    "nb_code": "12",
    "num_quantizers": "3",
    "depth": "2",
    "down_t": "2",
    "stride_t": "2",
    "dilation_growth_rate": "3",
    "mu": "0.95",
    "vq_act": "relu",
    "vq_norm": "None",
    "shared_codebook": "False",
    "quantize_dropout_prob": "0.1",
    "loss_vel": "0.25",
    "commit": "0.03",
    "recons_loss": "l1_smooth",
}


def _weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    tokenizer = RvqTokenizer(CONFIG)
    averages = ("code_sum", "code_count", "initialised")
    state = {name: t for name, t in tokenizer.network.state_dict().items() if not name.endswith(averages)}
    return {name: torch.randn(t.shape) if "codebook" in name else t for name, t in state.items()}


STATISTICS = MotionStatistics(
    np.linspace(-1, 1, 263, dtype=np.float32), np.linspace(0.1, 2, 263, dtype=np.float32)
)


class Run:
    """An official run folder."""

    def __init__(self, folder: Path) -> None:
        self.model_file, self.opt_txt = folder / "model" / "net_best_fid.tar", folder / "opt.txt"
        self.model_file.parent.mkdir()
        self.write_weights(_weights())
        self.write_options(OPTIONS)

    def write_weights(self, state: dict[str, Tensor], key: str = "vq_model") -> None:
        torch.save({key: state, "ep": 7}, self.model_file)

    def write_options(self, options: dict[str, str]) -> None:
        lines = [f"{name}: {value}" for name, value in options.items()]
        self.opt_txt.write_text("\n".join(["---- Options ----", *lines, "----- End -----"]))

    def read(self) -> RvqTokenizer:
        return convert_rvq(self.model_file, self.opt_txt, STATISTICS)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_weights_settings_and_statistics_arrive(run: Run) -> None:
    tokenizer = run.read()
    assert not tokenizer.training
    assert tokenizer.config == CONFIG.model_copy(
        update={
            "ema_decay": 0.95,
            "quantize_dropout": 0.1,
            "local_position_weight": 0.25,
            "commitment_weight": 0.03,
        }
    )
    assert all(torch.equal(tokenizer.network.state_dict()[name], t) for name, t in _weights().items())
    assert tokenizer.normalisation.mean.tolist() == STATISTICS.mean.tolist()
    assert tokenizer.normalisation.std.tolist() == STATISTICS.std.tolist()


def test_older_files_call_the_weights_net(run: Run) -> None:
    run.write_weights(_weights(), key="net")
    assert run.read().config.quantizers == 3


def test_fine_tuning_starts_from_the_imported_codes(run: Run) -> None:
    tokenizer = run.read().train()
    layers = tokenizer.network.quantizer.codebooks
    before = [layer.codebook.clone() for layer in layers]
    rng = torch.Generator().manual_seed(0)
    motion = torch.randn(4, 20, 263, generator=rng)
    tokenizer.losses(Batch(tuple("abcd"), torch.full((4,), 20), motion), rng)
    for layer, old in zip(layers, before, strict=True):
        assert layer.initialised
        assert (layer.codebook - old).norm(dim=-1).max() < 0.1 * old.norm(dim=-1).mean()


def test_missing_and_unexpected_weights_are_named(run: Run) -> None:
    state = _weights()
    state["decoder.extra"] = state.pop("decoder.model.0.bias")
    run.write_weights(state)
    with pytest.raises(WeightsError, match="1 missing: decoder.model.0.bias; 1 unexpected: decoder.extra"):
        run.read()


def test_weights_of_another_size_are_named(run: Run) -> None:
    run.write_options(OPTIONS | {"nb_code": "13"})
    with pytest.raises(
        WeightsError, match=r"3 of another shape: quantizer.layers.0.codebook \(12, 8\) instead"
    ):
        run.read()


@pytest.mark.parametrize(
    ("name", "value"),
    [("vq_norm", "BN"), ("shared_codebook", "True"), ("vq_act", "gelu"), ("output_emb_width", "16")],
)
def test_what_the_released_models_do_not_use_is_refused(run: Run, name: str, value: str) -> None:
    run.write_options(OPTIONS | {name: value})
    with pytest.raises(WeightsError, match=f"{name}.*imported"):
        run.read()


def test_a_missing_option_is_named(run: Run) -> None:
    run.write_options({name: value for name, value in OPTIONS.items() if name != "down_t"})
    with pytest.raises(InputError, match="option down_t is missing"):
        run.read()
