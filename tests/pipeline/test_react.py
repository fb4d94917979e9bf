import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hero_core.errors import FingerprintError, HeroError, InputError, WeightsError
from hero_core.models.codec import MotionCodec
from hero_core.models.masked import MaskedConfig, MaskedTransformer
from hero_core.models.residual import ResidualConfig, ResidualTransformer
from hero_core.models.rvq import RvqConfig
from hero_core.motion.bvh import read_bvh
from hero_core.motion.humanml3d import joints_to_vectors, vectors_to_joints
from hero_core.motion.normaliser import Normaliser
from hero_core.runs import CODEC_KEY, codec_fingerprint
from pipeline import react_cli, run_encoder
from pipeline.config import ExtractConfig
from pipeline.decode import decode_clip
from pipeline.encoders import random_tc_clip
from pipeline.extract import extract
from pipeline.feature_cache import FeatureCache
from pipeline.fingerprint import feature_fingerprint
from pipeline.minivimo import make_motion, sample_clip
from pipeline.react import generate_reaction, react, whole_length
from pipeline.run_encoder import load_run_encoder
from pipeline.sources import open_source
from tests.pipeline.conftest import TINY, make_video

SETTINGS = ExtractConfig(batch_clips=2, storage_dtype="float16", workers=1)


@pytest.fixture(scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _tiny_tower(monkeypatch, tiny_encoder, one_thread):
    """The full-size random TC-CLIP of the command takes seconds."""
    monkeypatch.setattr(run_encoder, "load_encoder", lambda name, weights, device, dtype=None: tiny_encoder)


def write_run(folder: Path, data: dict[str, object]) -> Path:
    """Tiny random models, trained on ``data`` as their metadata say."""
    normaliser = Normaliser.from_vectors(
        [joints_to_vectors(make_motion(sample_clip(0, i), 0)) for i in range(3)]
    )
    mean, std = (torch.tensor(values, dtype=torch.float32) for values in (normaliser.mean, normaliser.std))
    torch.manual_seed(0)
    codec = MotionCodec(RvqConfig(width=8, depth=1, quantizers=2, codebook_size=16, code_dim=8), mean, std)
    for name, buffer in codec.named_buffers():
        if name.endswith("codebook"):
            buffer.normal_()  # untrained codes are all alike
    sizes = {"codebook_size": 16, "code_dim": 8, "latent_dim": 8, "ff_size": 8, "layers": 1, "heads": 2}
    sizes |= {"feature_dim": TINY.out_dim, "intention_heads": 2}
    codec.save(folder / "rvq" / "best", {"data": data})
    metadata = {"data": data, CODEC_KEY: codec_fingerprint(codec)}
    MaskedTransformer(MaskedConfig(**sizes)).save(folder / "masked" / "best", metadata)
    ResidualTransformer(ResidualConfig(**sizes, quantizers=2)).save(folder / "residual" / "best", metadata)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_encoder):
    made_by = feature_fingerprint(tiny_encoder, SETTINGS)
    data = {"statement": "Noise, for tests.", "features": made_by.model_dump(mode="json")}
    return write_run(tmp_path_factory.mktemp("run"), data)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("videos") / "clip one.mp4"
    make_video(path, 0, frames=18)
    return path


@pytest.fixture(scope="module")
def files(run, video, tmp_path_factory, tiny_encoder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_encoder, "load_encoder", lambda *_: tiny_encoder)
        return react(video, run, tmp_path_factory.mktemp("out"), length_frames=30, seed=3)


def test_writes_numbers_that_load_without_pickle(files, video):
    with np.load(files.npz, allow_pickle=False) as arrays:
        vectors, joints, fps = arrays["vectors"], arrays["joints"], int(arrays["fps"])
        provenance = json.loads(str(arrays["provenance"]))
    assert (vectors.shape, joints.shape, fps) == ((28, 263), (28, 22, 3), 20)
    np.testing.assert_allclose(joints, vectors_to_joints(vectors), atol=1e-5)
    assert (provenance["length_frames"], provenance["seed"]) == (28, 3)
    assert provenance["video"]["name"] == "clip one.mp4"
    assert set(provenance["weights_sha256"]) == {"encoder", "rvq", "masked", "residual"}
    assert len(provenance["sampled_seconds"]) == 16


def test_writes_an_animation_and_a_film(files):
    motion = read_bvh(files.bvh)
    assert len(motion.positions) == 28
    film = decode_clip(files.mp4)
    assert film.fps == 20
    assert film.frame_count == max(28, round(1.5 * 20))  # the video lasts 1.5 s
    assert [path.stem for path in (files.npz, files.bvh, files.mp4)] == ["clip one"] * 3


def test_says_what_made_it(files):
    assert files.statement.startswith("Noise, for tests. TC-CLIP's architecture with random weights")
    assert files.warnings == ()


def test_the_seed_decides(run, video):
    encoder = load_run_encoder(run)
    first, again, other = (generate_reaction(video, run, encoder, 40, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.vectors, again.vectors)
    assert not np.array_equal(first.vectors, other.vectors)


def test_encodes_exactly_as_extraction_did(run, video, tiny_encoder, tmp_path):
    root = tmp_path / "source" / "human-human" / "wave"
    root.mkdir(parents=True)
    (root / "clip.mp4").write_bytes(video.read_bytes())
    extract(open_source(tmp_path / "source"), tmp_path / "features", tiny_encoder, SETTINGS)
    cache = FeatureCache.open(tmp_path / "features")
    (row,) = cache.rows().values()
    stored = cache.read(row)
    encoder = load_run_encoder(run)
    condition = encoder.encode(encoder.decode(video))
    assert np.array_equal(condition.frames[0].numpy(), stored.frames.astype(np.float32))
    assert np.array_equal(condition.global_feature[0].numpy(), stored.global_feature.astype(np.float32))


def test_other_weights_are_refused(run, monkeypatch):
    stranger = random_tc_clip(6, torch.device("cpu"), torch.float32, TINY)
    monkeypatch.setattr(run_encoder, "load_encoder", lambda *_: stranger)
    with pytest.raises(FingerprintError, match="features of another encoder .encoder.weights_sha256: "):
        load_run_encoder(run)


def test_another_numeric_path_is_a_warning(tmp_path, tiny_encoder):
    made_by = feature_fingerprint(tiny_encoder, SETTINGS)
    path = made_by.numeric_path.model_copy(update={"device": "cuda: Other", "torch_version": "1.0"})
    recorded = made_by.model_copy(update={"numeric_path": path}).model_dump(mode="json")
    warnings = load_run_encoder(write_run(tmp_path, {"features": recorded})).warnings
    assert [warning.split(": ")[1] for warning in warnings] == [
        "numeric_path.device",
        "numeric_path.torch_version",
    ]


def test_imported_weights_come_with_a_warning(tmp_path):
    assert "imported weights do not say" in load_run_encoder(write_run(tmp_path, {})).warnings[0]


def test_lengths_are_whole_tokens_within_reach():
    assert [whole_length(frames, 200) for frames in (4, 7, 88, 199, 200)] == [4, 4, 88, 196, 200]
    for frames in (-1, 0, 3, 201):
        with pytest.raises(InputError, match=f"a reaction of {frames} frames .* ask for 4 to 200 frames"):
            whole_length(frames, 200)


def test_the_film_never_replaces_the_video(run, video):
    before = video.read_bytes()
    with pytest.raises(InputError, match="would replace the video"):
        react(video, run, video.parent)
    assert video.read_bytes() == before


def test_no_run_and_no_video_are_one_line(run, video, tmp_path):
    with pytest.raises(WeightsError, match="not a run of hero-train"):
        react(video, tmp_path, tmp_path)
    with pytest.raises(HeroError, match="no such file"):
        react(tmp_path / "absent.mp4", run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def hero_react(monkeypatch, capsys):
    def command(*arguments):
        monkeypatch.setattr("sys.argv", ["hero-react", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            react_cli.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return command


def test_the_command_writes_the_files_and_the_statement(hero_react, run, video, tmp_path):
    code, shown, _ = hero_react(
        video, "--run", run, "--out", tmp_path, "--seconds", "0.45", "--set", "steps=2"
    )
    assert code == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".bvh", ".mp4", ".npz"]
    assert "Noise, for tests." in " ".join(shown.split())
    with np.load(tmp_path / "clip one.npz", allow_pickle=False) as arrays:
        assert len(arrays["vectors"]) == 8


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--length", "3"), "ask for 4 to 200 frames"),
        (("--length", "204"), "ask for 4 to 200 frames"),
        (("--length", "88", "--seconds", "2"), "give one of them"),
        (("--seconds", "nan"), "0.2 to 10 seconds"),
        (("--set", "step=3"), "step: Extra inputs are not permitted"),
    ],
)
def test_mistakes_end_in_one_line(hero_react, run, video, tmp_path, arguments, reason):
    code, _, problem = hero_react(video, "--run", run, "--out", tmp_path, *arguments)
    assert code == 2
    assert reason in problem
    assert "Traceback" not in problem
    assert not list(tmp_path.iterdir())
