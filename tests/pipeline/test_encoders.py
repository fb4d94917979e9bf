import numpy as np
import pytest
import torch

from hero_core.errors import InputError, WeightsError
from hero_core.models.tc_clip import TcClip, TcClipConfig
from pipeline import encoders
from pipeline.encoders import Encoder, load_encoder, random_tc_clip
from pipeline.mini_clips import decoded_clip
from pipeline.transforms import normalise

CPU = torch.device("cpu")
TINY = TcClipConfig(
    image_size=32, width=64, layers=2, heads=1, out_dim=24, frames=16, context_tokens=6, seed_ratio=0.5
)


def clips(encoder: Encoder, count: int) -> np.ndarray:
    shape = (count, encoder.frames, encoder.image_size, encoder.image_size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def save_tower(path, prefix="image_encoder."):
    model = TcClip(TINY).initialise(torch.Generator().manual_seed(1))
    torch.save({"model": {prefix + name: tensor for name, tensor in model.state_dict().items()}}, path)


def test_random_tower_says_what_it_is_and_depends_on_its_seed():
    one, again, other = (random_tc_clip(seed, CPU, config=TINY) for seed in (1, 1, 2))
    assert "random" in one.name
    assert "random weights (seed 1)" in one.statement
    assert one.weights_sha256 == again.weights_sha256 != other.weights_sha256


def test_features_come_out_on_the_cpu_in_float32():
    encoder = random_tc_clip(0, CPU, torch.bfloat16, config=TINY)
    features = encoder.encode(clips(encoder, 2))
    assert (encoder.image_size, encoder.frames, encoder.feature_dim) == (32, 16, 24)
    assert features.frames.shape == (2, 16, 24)
    assert features.frames.dtype == features.global_feature.dtype == torch.float32
    assert torch.equal(features.global_feature, features.frames.mean(dim=1))


def test_encode_normalises_as_the_official_pipeline():
    encoder = random_tc_clip(0, CPU, config=TINY)
    video = clips(encoder, 1)
    expected = encoder.model(torch.from_numpy(normalise(video[0]))[None]).frames
    assert torch.equal(encoder.encode(video).frames, expected)


def test_a_clip_alone_and_beside_others_in_a_batch_of_the_same_size():
    encoder = random_tc_clip(0, CPU, config=TINY)
    video = clips(encoder, 4)
    blanks = np.zeros_like(video)
    blanks[2] = video[2]
    assert torch.equal(encoder.encode(video).frames[2], encoder.encode(blanks).frames[2])


@pytest.mark.parametrize("shape", [(1, 16, 32, 40, 3), (1, 8, 32, 32, 3), (16, 32, 32, 3)])
def test_other_shapes_and_types_are_refused(shape):
    encoder = random_tc_clip(0, CPU, config=TINY)
    with pytest.raises(InputError, match=r"\(b, 16, 32, 32, 3\)"):
        encoder.encode(np.zeros(shape, np.uint8))
    with pytest.raises(InputError, match="uint8"):
        encoder.encode(np.zeros((1, 16, 32, 32, 3), np.float32))


def test_tc_clip_reads_the_users_weights_and_states_their_terms(tmp_path):
    save_tower(tmp_path / "tc.pth")
    encoder = load_encoder("tc-clip", tmp_path / "tc.pth", CPU, torch.float32)
    assert "tc.pth" in encoder.statement
    assert "CC BY-NC 4.0" in encoder.statement
    assert len(encoder.weights_sha256) == 64
    assert encoder.feature_dim == 24


def test_plain_clip_weights_are_not_called_tc_clip(tmp_path):
    model = TcClip(TINY).initialise(torch.Generator().manual_seed(1))
    fused = {}
    for name, tensor in model.state_dict().items():
        if "local_global" in name or ".k_proj" in name or ".v_proj" in name:
            continue
        block, projection, kind = name.partition("attn.q_proj.")
        if projection:
            fused[f"visual.{block}attn.in_proj_{kind}"] = torch.cat([tensor] * 3)
        else:
            fused[f"visual.{name}"] = tensor
    torch.save(fused, tmp_path / "clip.pt")
    statement = load_encoder("tc-clip", tmp_path / "clip.pt", CPU).statement
    assert "not the published TC-CLIP" in statement


def test_weights_must_be_given_where_they_belong(tmp_path):
    with pytest.raises(WeightsError, match="needs --weights"):
        load_encoder("tc-clip", None, CPU)
    with pytest.raises(WeightsError, match="takes no weights"):
        load_encoder("mini", tmp_path / "x.pth", CPU)


def test_mini_weights_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(encoders, "MINI_WEIGHTS", tmp_path / "mini.safetensors")
    with pytest.raises(WeightsError, match=r"pipeline\.mini_encoder"):
        load_encoder("mini", None, CPU)


def test_mini_is_shipped_small_and_its_features_have_unit_scale(tmp_path):
    encoder = load_encoder("mini", None, CPU)
    assert "MiniViMo" in encoder.statement
    assert (encoder.image_size, encoder.frames, encoder.feature_dim) == (112, 16, 512)
    videos = np.stack([decoded_clip(11, index, encoder.image_size, tmp_path).frames for index in range(15)])
    frames = torch.cat([encoder.encode(video[None]).frames for video in videos]).flatten(0, 1)  # (n, d)
    assert 0.7 < frames.std(dim=0).mean() < 1.3
    assert frames.isfinite().all()
