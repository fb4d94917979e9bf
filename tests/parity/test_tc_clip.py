"""Our tower against numbers from the official TC-CLIP, and from its reading of CLIP weights."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hero_core.models.tc_clip.merging import merge_schedule
from hero_core.models.tc_clip.tower import TcClip, TcClipConfig
from hero_core.models.tc_clip.weights import load_tc_clip, read_vision_weights
from pipeline.decode.transforms import normalise

Arrays = Mapping[str, np.ndarray]


def cases(parity_dir: Path) -> Iterator[tuple[str, dict[str, Any], Arrays, TcClip]]:
    descriptions = sorted((parity_dir / "tcclip").glob("*.json"))
    assert descriptions
    for path in descriptions:
        description = json.loads(path.read_text())
        sizes = description["hyperparameters"]
        config = TcClipConfig(
            heads=sizes["heads"],
            width=sizes["width"],
            layers=sizes["layers"],
            out_dim=sizes["output_dim"],
            patch_size=sizes["patch_size"],
            frames=sizes["num_frames"],
            context_tokens=sizes["context_token_k"],
            seed_ratio=sizes["seed_token_a"],
            merge_rate=sizes["tome_r"],
        )
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            yield (
                path.stem,
                description,
                dict(arrays),
                load_tc_clip(parity_dir / description["checkpoint_path"], config),
            )


def tolerance(description: Mapping[str, Any], array: str) -> float:
    """``tolerance_hint`` is one number, or one for each array: a number or text that begins with it."""
    hint = description["tolerance_hint"]
    return float(str(hint[array]).split()[0]) if isinstance(hint, dict) else float(hint)


def video(arrays: Arrays) -> Tensor:
    return torch.from_numpy(np.stack([normalise(clip) for clip in arrays["frames"]]))


def assert_close(ours: Tensor, arrays: Arrays, name: str, description: Mapping[str, Any], case: str) -> None:
    difference = float((ours - torch.from_numpy(arrays[name])).abs().max())
    assert difference <= tolerance(description, name), f"{case}: {name} differs by {difference:.2e}"


@torch.inference_mode()
def test_features(parity_dir):
    for case, description, arrays, model in cases(parity_dir):
        features = model(video(arrays))  # (b, t, d)
        assert_close(features, arrays, "features", description, case)
        assert_close(features.mean(dim=1), arrays, "global_mean", description, case)


@torch.inference_mode()
def test_every_layers_class_tokens_seeds_and_context(parity_dir):
    for case, description, arrays, model in cases(parity_dir):
        states = list(model.layers(video(arrays)))
        class_tokens = torch.stack(
            [model.project(state.class_tokens) for state in states], dim=1
        )  # (b, l, t, d)
        assert_close(class_tokens, arrays, "cls_all_layers", description, case)
        # Near ties of the last layer may fall either way: nothing reads its seeds or context.
        inner = states[:-1]
        for layer, state in enumerate(inner):
            assert np.array_equal(state.seeds.numpy(), arrays["seed_index"][layer]), (
                f"{case}: seeds of {layer}"
            )
        context = torch.stack([state.context_tokens for state in inner])
        official = {"raw_context_tokens": arrays["raw_context_tokens"][: len(inner)]}
        assert_close(context, official, "raw_context_tokens", description, case)


def test_preprocessing(parity_dir):
    for case, _, arrays, _ in cases(parity_dir):
        if "first_frame_normalized" in arrays:
            ours = normalise(arrays["frames"][0, :1])[0]
            assert np.array_equal(ours, arrays["first_frame_normalized"]), case


def test_clip_files_are_told_from_tc_clip_files(parity_dir):
    for case, description, _, model in cases(parity_dir):
        weights = read_vision_weights(parity_dir / description["checkpoint_path"])
        assert weights.is_plain_clip == ("conversion" in description), case
        tables = [p for name, p in model.named_parameters() if name.endswith("local_global_bias_table")]
        assert len(tables) == description["hyperparameters"]["layers"] - 1
        assert all((table == 0).all() == weights.is_plain_clip for table in tables), case


def test_merge_schedule(parity_dir):
    for case, description, _, model in cases(parity_dir):
        if "merge_schedule_r" in description:
            config = model.config
            assert config.seeds == description["seed_tokens_per_frame"], case
            ours = merge_schedule(config.frames * config.seeds, config.context_tokens, config.merge_rate)
            assert ours == description["merge_schedule_r"], case
