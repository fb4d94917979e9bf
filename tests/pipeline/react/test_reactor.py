"""One run of tiny random models reacts to a second of noise: files, words, seeds, identities, mistakes."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hero_core.cache import Cache
from hero_core.errors import FingerprintError, HeroError, InputError, WeightsError
from hero_core.fingerprint import EncoderIdentity, sha256_of_tensors
from hero_core.models.base import Reactions, VideoFeatures
from hero_core.models.checkpoint import save_network
from hero_core.models.generators.hero.masked import MaskedConfig, MaskedTransformer
from hero_core.models.generators.hero.residual import ResidualConfig, ResidualTransformer
from hero_core.models.tokenizers.rvq import RvqConfig, RvqTokenizer
from hero_core.motion.bvh import read_bvh
from hero_core.motion.humanml3d import joints_to_vectors, vectors_to_joints
from hero_core.motion.statistics import MotionStatistics
from hero_core.runs import ENCODED_BY_KEY, checkpoint_path, describe_run
from hero_core.storage import sha256_of_file
from pipeline.config import ExtractConfig
from pipeline.decode.video import decode_clip, read_frames, write_mp4
from pipeline.encoders import Encoder, random_tc_clip
from pipeline.extract import extract
from pipeline.fingerprint import feature_identity, feature_provenance
from pipeline.minivimo import make_motion, sample_clip
from pipeline.react import Reactor, cli, encoder, react
from pipeline.sources import open_source
from tests.pipeline.conftest import TINY, make_video

PARTS = ("rvq", "masked", "residual")


def write_run(folder: Path, data: dict[str, object], max_tokens: int = 50) -> Path:
    """Tiny random models, trained on ``data`` as their metadata say."""
    vectors = [joints_to_vectors(make_motion(sample_clip(0, index), 0)) for index in range(3)]
    torch.manual_seed(0)
    tokenizer = RvqTokenizer(RvqConfig(width=8, depth=1, quantizers=2, codebook_size=16, code_dim=8))
    tokenizer.normalisation.take(MotionStatistics.from_vectors(vectors))
    for name, buffer in tokenizer.named_buffers():
        if name.endswith("codebook"):
            buffer.normal_()  # untrained codes are all alike
    sizes = {"codebook_size": 16, "code_dim": 8, "latent_dim": 8, "ff_size": 8, "layers": 1, "heads": 2}
    sizes |= {"feature_dim": TINY.out_dim, "intention_heads": 2, "max_tokens": max_tokens}
    networks = (
        tokenizer,
        MaskedTransformer(MaskedConfig(**sizes)),
        ResidualTransformer(ResidualConfig(**sizes, quantizers=2)),
    )
    metadata = {"data": data, ENCODED_BY_KEY: sha256_of_tensors(tokenizer.state_dict())}
    for name, network in zip(PARTS, networks, strict=True):
        save_network(checkpoint_path(folder, name), network, metadata)
    describe_run(folder, "hero")
    return folder


def training_data(
    made_by: Encoder, rotate: bool = False, identity: dict[str, object] | None = None, **provenance: object
) -> dict[str, object]:
    """What a run notes of data whose features ``made_by`` made, two clips at a time and stored as float16."""
    features = feature_identity(made_by, "float16", batch_clips=2, rotate=rotate)
    return {
        "statement": "Noise, for tests.",
        "encoder_statement": made_by.statement,
        "features": features.model_copy(update=identity or {}).model_dump(mode="json"),
        "provenance": [feature_provenance(made_by).model_copy(update=provenance).model_dump(mode="json")],
    }


@pytest.fixture(autouse=True)
def _tiny_tower(monkeypatch, tiny_encoder):
    """The full-size random TC-CLIP of the command takes seconds."""
    use_encoder(monkeypatch, tiny_encoder)


def use_encoder(patch, made: Encoder) -> None:
    patch.setattr(encoder, "load_encoder", lambda name, weights, device, dtype=None: made)


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_encoder):
    return write_run(tmp_path_factory.mktemp("run"), training_data(tiny_encoder))


@pytest.fixture(scope="module")
def reactor(run, tiny_encoder):
    with pytest.MonkeyPatch.context() as patch:
        use_encoder(patch, tiny_encoder)
        return Reactor(run, sampling=["steps=2"])


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("videos") / "clip one.mp4"
    make_video(path, 0, frames=18, fps=30)
    return path


@pytest.fixture(scope="module")
def files(run, video, tmp_path_factory, tiny_encoder):
    """What ``react`` writes, called with strings as in a notebook."""
    with pytest.MonkeyPatch.context() as patch:
        use_encoder(patch, tiny_encoder)
        out = tmp_path_factory.mktemp("out")
        return react(str(video), str(run), str(out), length_frames=30, seed=3, device="cpu")


def test_writes_numbers_that_load_without_pickle(files, run):
    with np.load(files.npz, allow_pickle=False) as arrays:
        vectors, joints, fps = arrays["vectors"], arrays["joints"], int(arrays["fps"])
        provenance = json.loads(str(arrays["provenance"]))
    assert (vectors.shape, joints.shape, fps) == ((28, 263), (28, 22, 3), 20)
    np.testing.assert_allclose(joints, vectors_to_joints(vectors), atol=1e-5)
    assert (provenance["length_frames"], provenance["seed"]) == (28, 3)
    assert (provenance["generator"], provenance["sampling"]["steps"]) == ("hero", 10)
    assert provenance["video"]["name"] == "clip one.mp4"
    sha256 = dict(provenance["weights_sha256"])
    tower = random_tc_clip(5, torch.device("cpu"), torch.float32, TINY).model
    assert sha256.pop("encoder") == sha256_of_tensors(tower.state_dict())
    assert sha256 == {name: sha256_of_file(checkpoint_path(run, name)) for name in PARTS}
    assert len(provenance["sampled_seconds"]) == 16


def test_writes_an_animation_and_a_film(files):
    assert len(read_bvh(files.bvh).positions) == 28
    film = decode_clip(files.mp4)
    assert film.fps == 20
    assert film.frame_count == max(28, round(0.6 * 20))  # the video lasts 0.6 s
    assert [path.name for path in (files.npz, files.bvh, files.mp4, files.page)] == [
        "clip one.npz",
        "clip one.bvh",
        "clip one.mp4",
        "clip one.html",
    ]


def test_says_what_it_looked_at(files):
    explained = files.reaction.explained
    assert explained.frame_weights.shape == (16,)
    assert explained.frame_weights.sum() == pytest.approx(1, abs=1e-5)
    assert explained.attention.shape == (7, 16)
    assert explained.tokens.shape == (7, 2)


def test_says_what_made_it(files):
    assert files.reaction.statement.startswith("Noise, for tests. TC-CLIP's architecture with random weights")
    assert files.reaction.warnings == ()


def test_the_seed_decides(reactor, video):
    first, again, other = (reactor.react(video, 40, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.vectors, again.vectors)
    assert not np.array_equal(first.vectors, other.vectors)


def test_one_reactor_shows_its_generator_one_clip_after_another(reactor, video, tmp_path, monkeypatch):
    seen: list[VideoFeatures] = []

    def generate(condition, lengths, rng):
        seen.append(condition)
        return Reactions(torch.zeros(1, int(lengths), 263), lengths)

    monkeypatch.setattr(reactor.generator, "generate", generate)
    make_video(tmp_path / "another.mp4", 1)
    videos = (video, tmp_path / "another.mp4")
    reactions = [reactor.react(path, 40) for path in videos]
    assert [reaction.provenance["video"]["name"] for reaction in reactions] == ["clip one.mp4", "another.mp4"]
    for path, condition in zip(videos, seen, strict=True):
        expected = VideoFeatures.of([reactor.encoder.encode(path)[1]])
        assert all(map(torch.equal, condition, expected))
    assert not torch.equal(seen[0].frames, seen[1].frames)


def test_encodes_exactly_as_extraction_did(reactor, video, tiny_encoder, tmp_path):
    for name in ("wave/clip.mp4", "push/other.mp4"):  # two clips in each call of the encoder
        path = tmp_path / "source" / "human-human" / name
        make_video(path, seed=len(name), frames=18)
    path.write_bytes(video.read_bytes())
    settings = ExtractConfig(batch_clips=2, storage_dtype="float16", workers=1)
    extract(open_source(tmp_path / "source"), tmp_path / "cache", tiny_encoder, settings)
    cache = Cache.open(tmp_path / "cache")
    (row,) = (row for row in cache.rows("features").values() if row["path"].endswith("other.mp4"))
    stored, (_, mine) = cache.features(row), reactor.encoder.encode(video)
    assert reactor.encoder.identity == cache.identity
    for name, array in stored.arrays().items():
        assert mine.arrays()[name].dtype == array.dtype
        assert np.array_equal(mine.arrays()[name], array)


def test_encodes_in_batches_of_the_size_that_extraction_used(reactor, video, monkeypatch):
    shapes: list[tuple[int, ...]] = []

    def encode(self, clips):
        shapes.append(clips.shape)
        return np.zeros((2, 16, TINY.out_dim), np.float32)

    monkeypatch.setattr(Encoder, "encode", encode)
    reactor.encoder.encode(video)
    assert shapes == [(2, 16, 32, 32, 3)]


def test_other_weights_are_refused_with_the_option_that_mends_it(run, monkeypatch):
    stranger = random_tc_clip(6, torch.device("cpu"), torch.float32, TINY)
    use_encoder(monkeypatch, stranger)
    with pytest.raises(FingerprintError, match=r"encoder\.weights_sha256: .*extract and train anew"):
        Reactor(run)
    use_encoder(monkeypatch, replace(stranger, weights_file="mine.pth"))
    with pytest.raises(FingerprintError, match=r"encoder\.weights_sha256: .*--weights .TC-CLIP's arch"):
        Reactor(run)


@pytest.mark.parametrize("name", ["sampling", "decoding", "resize", "normalisation", "encoder"])
def test_whatever_decides_the_features_is_refused(tmp_path, tiny_encoder, name):
    changed = {"encoder": tiny_encoder.identity.model_copy(update={"architecture": {"width": 7}})}
    data = training_data(tiny_encoder, identity={name: changed.get(name, "otherwise")})
    with pytest.raises(FingerprintError, match=rf"the run was trained on other features .{name}.*train anew"):
        encoder.load_run_encoder(data)


def test_where_and_with_what_features_were_made_is_a_warning(tiny_encoder):
    libraries = feature_provenance(tiny_encoder).libraries | {"torch": "1.0"}
    data = training_data(
        tiny_encoder, device="cuda: Other", libraries=libraries, weights_file="renamed.pth", statement="Else."
    )
    warnings = encoder.load_run_encoder(data).warnings
    names = [warning.removeprefix("the training features were made with another ") for warning in warnings]
    assert [name.split(": ")[0] for name in names] == [
        "device",
        "libraries.torch",
        "statement",
        "weights_file",
    ]


def test_the_encoder_computes_where_the_features_were_made(monkeypatch, tiny_encoder):
    devices: list[str] = []

    def load(name, weights, device, dtype):
        devices.append(device.type)
        return tiny_encoder

    monkeypatch.setattr(encoder, "load_encoder", load)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for made_on in ("cpu: x86_64", "cuda: Other"):
        encoder.load_run_encoder(training_data(tiny_encoder, device=made_on))
    assert devices == ["cpu", "cuda"]


def test_weights_are_named_where_they_are_needed_and_only_there(tiny_encoder):
    with pytest.raises(WeightsError, match="takes no weights; leave --weights out"):
        encoder.load_run_encoder(training_data(tiny_encoder), Path("mine.pth"))
    clip = EncoderIdentity(name="tc-clip", architecture={}, weights_sha256="0")
    with pytest.raises(WeightsError, match="--weights FILE .TC-CLIP's architecture"):
        encoder.load_run_encoder(training_data(tiny_encoder, identity={"encoder": clip}))
    other = EncoderIdentity(name="later", architecture={}, weights_sha256="0")
    with pytest.raises(FingerprintError, match="'later', an encoder unknown here"):
        encoder.load_run_encoder(training_data(tiny_encoder, identity={"encoder": other}))


def test_imported_weights_come_with_a_warning_and_need_an_encoder_that_fits(tmp_path, monkeypatch):
    run = write_run(tmp_path, {})
    with pytest.raises(WeightsError, match="--weights FILE .*zero_shot_k400_tc_clip_newkeys.pth"):
        Reactor(run)
    assert "imported weights do not say" in Reactor(run, weights="mine.pth").encoder.warnings[0]
    wider = random_tc_clip(
        0, torch.device("cpu"), torch.float32, TINY.model_copy(update={"out_dim": TINY.out_dim + 1})
    )
    use_encoder(monkeypatch, wider)
    with pytest.raises(WeightsError, match="reads features of 24 values, and this encoder makes 25"):
        Reactor(run, weights="mine.pth")


def test_lengths_are_whole_tokens_within_reach(reactor, video, tiny_encoder, tmp_path):
    for frames, length in ((4, 4), (7, 4), (199, 196), (200, 200), (None, 88)):
        assert len(reactor.react(video, frames).vectors) == length
    for frames in (-1, 0, 3, 201):
        with pytest.raises(InputError, match=f"a reaction of {frames} frames .* ask for 4 to 200 frames"):
            reactor.react(video, frames)
    short = Reactor(write_run(tmp_path, training_data(tiny_encoder), max_tokens=9))
    assert len(short.react(video).vectors) == 36


def left_half_white(path: Path) -> Path:
    """A phone's video: stored with its upper side at the left, and metadata that say so."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32] = 255
    write_mp4(path, [picture] * 16, 40)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44  # behind type, version, times, id, duration, layer and volume
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("rotate", [False, True])
def test_the_film_is_upright_whatever_the_features_see(tmp_path, tiny_encoder, rotate):
    video = left_half_white(tmp_path / "phone.mp4")
    run = write_run(tmp_path / "run", training_data(tiny_encoder, rotate=rotate))
    files = react(video, run, tmp_path / "out", length_frames=4)
    seen = files.reaction.clip.frames[0]
    top_right, bottom_left = int(seen[4, 28].min()), int(seen[28, 4].max())
    assert (top_right > 200, bottom_left > 200) == ((True, False) if rotate else (False, True))
    assert bool(files.reaction.warnings) != rotate
    _, picture = next(iter(read_frames(files.mp4)))
    shown = picture[56:536, 24:664]  # 480 x 640: a portrait picture between two bars
    assert shown[40, 200:440].min() > 230
    assert shown[440, 200:440].max() < 30
    assert np.abs(shown[40, 20].astype(int) - shown[440, 20]).max() < 5


def test_the_film_never_replaces_the_video(run, video):
    before = video.read_bytes()
    with pytest.raises(InputError, match="would replace the video"):
        react(video, run, video.parent)
    assert video.read_bytes() == before


def test_no_run_and_no_video_are_one_line(run, video, tmp_path):
    with pytest.raises(WeightsError, match="no run here"):
        react(video, tmp_path / "no_run", tmp_path)
    with pytest.raises(HeroError, match="no such file"):
        react(tmp_path / "absent.mp4", run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def hero_react(monkeypatch, capsys):
    def command(*arguments):
        monkeypatch.setattr("sys.argv", ["hero-react", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return command


def test_the_command_writes_the_files_and_the_statement(hero_react, run, video, tmp_path):
    code, shown, _ = hero_react(
        video, "--run", run, "--out", tmp_path, "--seconds", "0.45", "--set", "steps=2"
    )
    assert code == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".bvh", ".html", ".mp4", ".npz"]
    assert "Noise, for tests." in " ".join(shown.split())
    with np.load(tmp_path / "clip one.npz", allow_pickle=False) as arrays:
        assert len(arrays["vectors"]) == 8
        assert json.loads(str(arrays["provenance"]))["sampling"]["steps"] == 2


def test_further_formats_stand_beside_the_usual_files(hero_react, run, video, tmp_path):
    code, shown, _ = hero_react(
        video, "--run", run, "--out", tmp_path, "--length", 8, "--format", "glb, npz,csv,smpl,vrma,bvh"
    )
    assert code == 0
    names = {path.name for path in tmp_path.iterdir()}
    suffixes = {name.removeprefix("clip one") for name in names}
    assert suffixes == {".npz", ".bvh", ".mp4", ".html", ".glb", ".vrma", ".smpl.npz", ".csv"}
    assert all(name in " ".join(shown.split()) for name in names)


def test_the_command_says_its_version(hero_react):
    code, shown, _ = hero_react("--version")
    assert code == 0
    assert shown.startswith("hero-motion ")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--length", "3"), "ask for 4 to 200 frames"),
        (("--length", "204"), "ask for 4 to 200 frames"),
        (("--length", "88", "--seconds", "2"), "give one of them"),
        (("--seconds", "nan"), "0.2 to 10 seconds"),
        (("--set", "step=3"), "step"),
        (("--format", "glb,fbx"), "fbx: no such format; there are npz, bvh, mp4, html, glb, vrma, smpl, csv"),
    ],
)
def test_mistakes_end_in_one_line(hero_react, run, video, tmp_path, arguments, reason):
    code, _, problem = hero_react(video, "--run", run, "--out", tmp_path, *arguments)
    assert code == 2
    assert reason in problem
    assert "Traceback" not in problem
    assert not list(tmp_path.iterdir())
