import numpy as np
import pytest
import torch

from benchmarks.mini_clips import decoded_clip
from hero_core.errors import InputError, WeightsError
from hero_core.fingerprint import differences
from hero_core.models.tc_clip.tower import TcClip, TcClipConfig
from pipeline import encoders
from pipeline.decode.transforms import normalise
from pipeline.encoders import Encoder, load_encoder, random_tc_clip
from pipeline.fingerprint import feature_identity, feature_provenance

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
    assert "random" in one.identity.name
    assert "random weights (seed 1)" in one.statement
    assert one.identity == again.identity != other.identity


def test_features_come_out_on_the_cpu_in_float32():
    encoder = random_tc_clip(0, CPU, torch.bfloat16, config=TINY)
    features = encoder.encode(clips(encoder, 2))
    assert (encoder.image_size, encoder.frames, encoder.feature_dim) == (32, 16, 24)
    assert features.shape == (2, 16, 24)
    assert features.dtype == np.float32


def test_encode_normalises_as_the_official_pipeline():
    encoder = random_tc_clip(0, CPU, config=TINY)
    video = clips(encoder, 1)
    expected = encoder.model(torch.from_numpy(normalise(video[0]))[None])
    np.testing.assert_array_equal(encoder.encode(video), expected.numpy())


def test_a_clip_alone_and_beside_others_in_a_batch_of_the_same_size():
    encoder = random_tc_clip(0, CPU, config=TINY)
    video = clips(encoder, 4)
    blanks = np.zeros_like(video)
    blanks[2] = video[2]
    np.testing.assert_array_equal(encoder.encode(video)[2], encoder.encode(blanks)[2])


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
    assert encoder.feature_dim == 24


def test_identity_is_of_the_weights_content_and_not_of_their_file(tmp_path):
    save_tower(tmp_path / "a.pth")
    save_tower(tmp_path / "b.pth", prefix="module.image_encoder.")
    one, other = (load_encoder("tc-clip", tmp_path / f"{name}.pth", CPU) for name in "ab")
    assert one.identity == other.identity
    assert (one.weights_file, other.weights_file) == ("a.pth", "b.pth")
    identities = [feature_identity(encoder, "float32", 1, False) for encoder in (one, other)]
    assert differences(*identities) == []
    assert [
        line.split(":")[0] for line in differences(feature_provenance(one), feature_provenance(other))
    ] == [
        "statement",
        "weights_file",
    ]
    assert differences(identities[0], feature_identity(one, "float16", 1, False)) == [
        "storage_dtype: float32 != float16"
    ]


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
    with pytest.raises(WeightsError, match=r"benchmarks\.train_mini"):
        load_encoder("mini", None, CPU)


def test_mini_is_shipped_small_and_its_features_have_unit_scale(tmp_path):
    encoder = load_encoder("mini", None, CPU)
    assert "MiniViMo" in encoder.statement
    assert (encoder.image_size, encoder.frames, encoder.feature_dim) == (112, 16, 512)
    videos = np.stack([decoded_clip(11, index, encoder.image_size, tmp_path).frames for index in range(15)])
    frames = np.concatenate([encoder.encode(video[None])[0] for video in videos])  # (n, d)
    assert 0.7 < frames.std(axis=0).mean() < 1.3
    assert np.isfinite(frames).all()
