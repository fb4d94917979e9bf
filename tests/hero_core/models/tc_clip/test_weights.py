from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from hero_core.errors import WeightsError
from hero_core.models.tc_clip.tower import TcClip, TcClipConfig
from hero_core.models.tc_clip.weights import load_tc_clip, read_vision_weights

CONFIG = TcClipConfig(
    image_size=32, patch_size=8, width=128, layers=2, heads=2, out_dim=16, frames=3, context_tokens=4
)
HOW = TcClipConfig(frames=3, context_tokens=4)  # what weights do not say

State = dict[str, Tensor]


@pytest.fixture
def tower() -> State:
    model = TcClip(CONFIG).initialise(torch.Generator().manual_seed(0))
    state = model.state_dict()
    state["transformer.resblocks.1.attn.local_global_bias_table"].normal_(
        generator=torch.Generator().manual_seed(1)
    )
    return state


def tc_clip_file(path: Path, tower: State, prefix: str = "image_encoder.") -> Path:
    text = {"prompt_learner.ctx": torch.zeros(4, 8), "text_encoder.ln_final.weight": torch.zeros(8)}
    model = (
        {prefix + name: tensor for name, tensor in tower.items()} | text | {"logit_scale": torch.tensor(4.6)}
    )
    torch.save({"model": model, "epoch": 3, "max_accuracy": 51.2}, path)
    return path


def clip_state(tower: State) -> State:
    """The same tower as OpenAI publishes it: fused projections, half precision, no bias tables, a text side."""
    state: State = {}
    for name, tensor in tower.items():
        if "_proj" in name and name.split(".")[-2] in ("k_proj", "v_proj"):
            continue
        if name.split(".")[-2:-1] == ["q_proj"]:
            parts = [tower[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            block, kind = name.split("attn.")[0], name.rsplit(".", 1)[1]
            state[f"visual.{block}attn.in_proj_{kind}"] = torch.cat(parts).half()
        elif not name.endswith("local_global_bias_table"):
            state[f"visual.{name}"] = tensor if "ln_" in name or "embedding" in name else tensor.half()
    state["transformer.resblocks.0.attn.in_proj_weight"] = torch.zeros(12, 4)
    state |= {"token_embedding.weight": torch.zeros(5, 4), "input_resolution": torch.tensor(32)}
    return state


def assert_same_tower(model: TcClip, tower: State) -> None:
    assert model.config == CONFIG
    state = model.state_dict()
    assert state.keys() == tower.keys()
    for name in tower:
        assert state[name].dtype == torch.float32
        torch.testing.assert_close(state[name], tower[name].float())


def as_converted_clip(tower: State) -> State:
    """What remains of the tower after the trip through CLIP's layout."""
    kept = {n: t if "ln_" in n or "embedding" in n else t.half().float() for n, t in tower.items()}
    return {n: torch.zeros_like(t) if n.endswith("bias_table") else t for n, t in kept.items()}


@pytest.mark.parametrize("prefix", ["image_encoder.", "module.image_encoder.", "visual.", ""])
def test_tc_clip_checkpoint_under_any_prefix(tmp_path, tower, prefix):
    if prefix == "":
        torch.save(tower, tmp_path / "tower.pt")
    else:
        tc_clip_file(tmp_path / "tower.pt", tower, prefix)
    assert_same_tower(load_tc_clip(tmp_path / "tower.pt", HOW), tower)


def test_safetensors(tmp_path, tower):
    save_file({name: tensor.half() for name, tensor in tower.items()}, tmp_path / "tower.safetensors")
    model = load_tc_clip(tmp_path / "tower.safetensors", HOW)
    assert_same_tower(model, {name: tensor.half() for name, tensor in tower.items()})


def test_clip_state_dict_splits_the_fused_projections_and_has_no_biases(tmp_path, tower):
    torch.save(clip_state(tower), tmp_path / "clip.pt")
    assert read_vision_weights(tmp_path / "clip.pt").is_plain_clip
    assert_same_tower(load_tc_clip(tmp_path / "clip.pt", HOW), as_converted_clip(tower))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_clip_as_a_torchscript_archive(tmp_path, tower):
    class Node(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    root = Node()
    for name, tensor in clip_state(tower).items():
        node: nn.Module = root
        *folders, leaf = name.split(".")
        for folder in folders:
            if folder not in node._modules:
                node.add_module(folder, Node())
            node = node._modules[folder]
        node.register_buffer(leaf, tensor)
    torch.jit.save(torch.jit.trace(root, torch.zeros(1)), tmp_path / "ViT-B-16.pt")
    assert_same_tower(load_tc_clip(tmp_path / "ViT-B-16.pt", HOW), as_converted_clip(tower))


def test_the_loaded_tower_is_frozen_and_runs(tmp_path, tower):
    model = load_tc_clip(tc_clip_file(tmp_path / "t.pth", tower), HOW)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model(torch.zeros(1, 3, 3, 32, 32)).shape == (1, 3, 16)


def test_heads_come_from_the_bias_table_else_from_config_else_from_the_width(tmp_path, tower):
    tower["transformer.resblocks.1.attn.local_global_bias_table"] = torch.zeros(4, 1, 2)
    path = tc_clip_file(tmp_path / "t.pth", tower)
    assert load_tc_clip(path).config.heads == 4
    with pytest.raises(WeightsError, match="heads is 4, not 2"):
        load_tc_clip(path, TcClipConfig(heads=2))
    torch.save(clip_state(tower), tmp_path / "clip.pt")
    assert load_tc_clip(tmp_path / "clip.pt").config.heads == 2
    assert load_tc_clip(tmp_path / "clip.pt", TcClipConfig(heads=4)).config.heads == 4


def test_sizes_that_contradict_the_weights_are_refused(tmp_path, tower):
    path = tc_clip_file(tmp_path / "t.pth", tower)
    with pytest.raises(WeightsError, match="width is 128, not 768; layers is 2, not 12"):
        load_tc_clip(path, TcClipConfig(width=768, layers=12))


def drop(tower: State) -> None:
    del tower["ln_post.bias"], tower["transformer.resblocks.0.mlp.c_fc.weight"]


def drop_bias_table(tower: State) -> None:
    del tower["transformer.resblocks.1.attn.local_global_bias_table"]


def add(tower: State) -> None:
    tower["transformer.resblocks.0.attn.surprise"] = torch.zeros(1)


def reshape(tower: State) -> None:
    tower["ln_pre.weight"] = torch.ones(127)


def bend_grid(tower: State) -> None:
    tower["positional_embedding"] = torch.zeros(16, 128)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop, r"2 missing: ln_post\.bias, transformer\.resblocks\.0\.mlp\.c_fc\.weight"),
        (drop_bias_table, r"1 missing: transformer\.resblocks\.1\.attn\.local_global_bias_table"),
        (add, r"1 unexpected: transformer\.resblocks\.0\.attn\.surprise"),
        (reshape, r"1 of another shape: ln_pre\.weight \(127,\) instead of \(128,\)"),
        (bend_grid, r"1 of another shape: positional_embedding \(16, 128\) instead of \(10, 128\)"),
    ],
)
def test_anything_but_the_exact_tower_is_refused_by_name(
    tmp_path: Path, tower: State, damage: Callable[[State], None], message: str
):
    damage(tower)
    with pytest.raises(WeightsError, match=message):
        load_tc_clip(tc_clip_file(tmp_path / "t.pth", tower), HOW)


class Settings:
    """Stands for the config object that some training scripts pickle into their checkpoints."""


def test_a_file_that_could_run_code_is_refused_with_advice(tmp_path, tower):
    torch.save({"model": tower, "config": Settings()}, tmp_path / "t.pth")
    with pytest.raises(WeightsError, match=r"pickled objects \(.*Settings\).*save its tensors"):
        load_tc_clip(tmp_path / "t.pth")


def test_a_file_without_a_tower_is_refused(tmp_path):
    torch.save({"text_projection": torch.zeros(2)}, tmp_path / "text.pt")
    with pytest.raises(WeightsError, match="found none"):
        load_tc_clip(tmp_path / "text.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(WeightsError, match="holds a list"):
        load_tc_clip(tmp_path / "list.pt")


def test_a_resnet_is_refused(tmp_path):
    torch.save(
        {"visual.conv1.weight": torch.zeros(1), "visual.layer1.0.conv1.weight": torch.zeros(1)},
        tmp_path / "r.pt",
    )
    with pytest.raises(WeightsError, match="2 candidates"):
        load_tc_clip(tmp_path / "r.pt")
