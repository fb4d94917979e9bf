"""One run of tiny random models reacts to a second of noise: files, words, seeds, identities, mistakes."""

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hero_core.cache import Cache
from hero_core.errors import FingerprintError, HeroError, InputError, WeightsError
from hero_core.fingerprint import EncoderIdentity, sha256_of_tensors
from hero_core.models.base import Reactions, VideoFeatures
from hero_core.models.checkpoint import save_network
from hero_core.models.generators.hero.hero import Hero
from hero_core.models.generators.hero.masked import MaskedConfig, MaskedTransformer
from hero_core.models.generators.hero.residual import ResidualConfig, ResidualTransformer
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.bvh import read_bvh
from hero_core.motion.humanml3d import joints_to_vectors, vectors_to_joints
from hero_core.motion.statistics import MotionStatistics
from hero_core.runs import ENCODED_BY_KEY, checkpoint_path, describe_run
from hero_core.storage import sha256_of_file
from pipeline import react_cli
from pipeline.config import ExtractConfig
from pipeline.decode.video import decode_clip, read_frames, write_mp4
from pipeline.encoders import Encoder, random_tc_clip
from pipeline.extract import extract
from pipeline.fingerprint import feature_identity, feature_provenance
from pipeline.minivimo import make_motion, sample_clip
from pipeline.react import Edit, ReactionFiles, Reactor, encoder, write_reactions
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


def react(video, run, out, length_frames=None, seed=0, device=None) -> ReactionFiles:
    """One reaction and its files, with strings as in a notebook."""
    reactions = Reactor(str(run), device=device)(str(video), length_frames=length_frames, seed=seed)
    return write_reactions(reactions, str(out))


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
    """What is written of one reaction, by suffix, with the reaction as ``reaction``."""
    with pytest.MonkeyPatch.context() as patch:
        use_encoder(patch, tiny_encoder)
        out = tmp_path_factory.mktemp("out")
        reactions = Reactor(str(run), device="cpu")(str(video), length_frames=30, seed=3)
        paths = {path.suffix[1:]: path for path in reactions.save(str(out))}
        return SimpleNamespace(**paths, reaction=reactions[0])


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
    names = {path.name for path in (files.npz, files.bvh, files.mp4, files.html)}
    assert names == {"clip one-3.npz", "clip one-3.bvh", "clip one-3.mp4", "clip one-3.html"}


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
    first, again, other = (reactor(video, length_frames=40, seed=seed)[0] for seed in (1, 1, 2))
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
    reactions = [reactor(path, length_frames=40)[0] for path in videos]
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
    for frames, length in ((4, 4), (7, 4), (199, 196), (200, 200), (None, 12), ("video", 12)):
        (vectors,) = reactor(video, length_frames=frames).vectors  # the video lasts 0.6 s
        assert len(vectors) == length
    for frames in (-1, 0, 3, 201):
        with pytest.raises(InputError, match=f"a reaction of {frames} frames .* ask for 4 to 200 frames"):
            reactor(video, length_frames=frames)
    short = Reactor(write_run(tmp_path, training_data(tiny_encoder), max_tokens=9))
    make_video(tmp_path / "long.mp4", 1, frames=60, fps=20)
    assert len(short(tmp_path / "long.mp4").vectors[0]) == 36


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
    reactions = Reactor(run)(video, length_frames=4)
    reactions.save(tmp_path / "out")
    seen = reactions[0].clip.frames[0]
    top_right, bottom_left = int(seen[4, 28].min()), int(seen[28, 4].max())
    assert (top_right > 200, bottom_left > 200) == ((True, False) if rotate else (False, True))
    assert bool(reactions[0].warnings) != rotate
    _, picture = next(iter(read_frames(tmp_path / "out" / "phone-0.mp4")))
    shown = picture[56:536, 24:664]  # 480 x 640: a portrait picture between two bars
    assert shown[40, 200:440].min() > 230
    assert shown[440, 200:440].max() < 30
    assert np.abs(shown[40, 20].astype(int) - shown[440, 20]).max() < 5


def test_the_film_never_replaces_the_video(run, video, tmp_path):
    named = tmp_path / "clip-0.mp4"
    named.write_bytes(video.read_bytes())
    (tmp_path / "clip-0-0.mp4").symlink_to(named)
    with pytest.raises(InputError, match="would replace the video"):
        react(named, run, tmp_path)
    assert named.read_bytes() == video.read_bytes()


def test_the_film_never_replaces_another_video(hero_react, run, video, tmp_path):
    for name, seed in (("take.mp4", 1), ("take-0.mp4", 2)):
        make_video(tmp_path / name, seed, frames=18, fps=30)
    before = (tmp_path / "take-0.mp4").read_bytes()
    for options in ((), ("--overwrite",), ("--no-film",)):
        code, _, problem = hero_react(
            tmp_path / "take.mp4", "--run", run, "--out", tmp_path, "--frames", 8, *options
        )
        assert code == 2
        assert "would replace the video" in problem
    assert (tmp_path / "take-0.mp4").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("suffix", [".npz", ".bvh", ".html", ".glb", ".smpl.npz"])
def test_files_that_are_not_known_to_be_of_the_video_stay(reactor, video, tmp_path, suffix):
    theirs = tmp_path / f"clip one-0{suffix}"
    for content in (b"theirs", b"PK\x03\x04 and then nothing", b""):
        theirs.write_bytes(content)
        samples = reactor(video, length_frames=8)
        with pytest.raises(InputError, match=rf"clip one-0{suffix}: .*is not known to be of this video"):
            samples.save(tmp_path, film=False)
        assert list(tmp_path.iterdir()) == [theirs]
        assert theirs.read_bytes() == content
    samples.save(tmp_path, film=False, overwrite=True)
    assert (tmp_path / "clip one-0.bvh").read_bytes() != content


def test_a_name_with_a_colon_is_a_name(hero_react, run, video, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "12:30.mp4").write_bytes(video.read_bytes())
    code, _, problem = hero_react("12:30.mp4", "--run", run, "--frames", 8)
    assert code == 0, problem
    assert decode_clip(tmp_path / "12:30-0.mp4").frame_count == 12


def test_a_name_that_is_too_long_with_its_suffix_is_one_line(hero_react, run, video, tmp_path):
    long = tmp_path / ("a" * 250 + ".mp4")
    long.write_bytes(video.read_bytes())
    code, _, problem = hero_react(long, "--run", run, "--out", tmp_path / "out", "--frames", 8)
    assert code == 2
    assert "File name too long" in problem


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
            react_cli.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return command


def test_the_command_writes_the_files_and_the_statement(hero_react, run, video, tmp_path):
    code, shown, _ = hero_react(
        video, "--run", run, "--out", tmp_path, "--length", "0.45", "--set", "steps=2"
    )
    assert code == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".bvh", ".html", ".mp4", ".npz"]
    assert "Noise, for tests." in " ".join(shown.split())
    with np.load(tmp_path / "clip one-0.npz", allow_pickle=False) as arrays:
        assert len(arrays["vectors"]) == 8
        assert json.loads(str(arrays["provenance"]))["sampling"]["steps"] == 2


def test_further_formats_stand_beside_the_usual_files(hero_react, run, video, tmp_path):
    code, shown, _ = hero_react(
        video, "--run", run, "--out", tmp_path, "--frames", 8, "--format", "glb, npz,csv,smpl,vrma,bvh"
    )
    assert code == 0
    names = {path.name for path in tmp_path.iterdir()}
    suffixes = {name.removeprefix("clip one-0") for name in names}
    assert suffixes == {".npz", ".bvh", ".mp4", ".html", ".glb", ".vrma", ".smpl.npz", ".csv"}
    assert all(name in " ".join(shown.split()) for name in names)


def test_the_command_says_its_version(hero_react):
    code, shown, _ = hero_react("--version")
    assert code == 0
    assert shown.startswith("hero-motion ")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--frames", "3"), "ask for 4 to 200 frames"),
        (("--frames", "204"), "ask for 4 to 200 frames"),
        (("--frames", "88", "--length", "2"), "give one of them"),
        (("--seed", str(2**64)), "seeds are numbers from 0 to"),
        (("--seed", str(2**64 - 1), "--samples", 2), "seeds are numbers from 0 to"),
        (("--length", "nan"), "0.2 to 10 seconds"),
        (("--length", "long"), "video, auto, or a number of seconds"),
        (("--length", "auto"), "length"),
        (("--keep", "0:4"), "name it with --edit"),
        (("--set", "step=3"), "step"),
        (("--format", "glb,fbx"), "fbx: no such format; there are npz, bvh, html, glb, vrma, smpl, csv"),
    ],
)
def test_mistakes_end_in_one_line(hero_react, run, video, tmp_path, arguments, reason):
    code, _, problem = hero_react(video, "--run", run, "--out", tmp_path, *arguments)
    assert code == 2
    assert reason in problem
    assert "Traceback" not in problem
    assert not list(tmp_path.iterdir())


def test_each_sample_is_as_if_it_was_the_only_one(reactor, video):
    samples = reactor(video, samples=3, length_frames=24, seed=5)
    assert [reaction.seed for reaction in samples] == [5, 6, 7]
    alone = reactor(video, length_frames=24, seed=6)
    assert np.array_equal(samples.vectors[1], alone.vectors[0])
    assert len(samples.joints) == len(samples) == 3


def test_samples_are_shown_in_a_notebook(reactor, video):
    shown = reactor(video, samples=2, length_frames=8).show()._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert "seed 1" in shown


def test_samples_share_a_page(hero_react, run, video, tmp_path):
    code, shown, _ = hero_react(
        video, "--run", run, "--out", tmp_path, "--frames", 8, "--samples", 2, "--seed", 4, "--no-film"
    )
    assert code == 0
    names = {f"clip one-{seed}.{suffix}" for seed in (4, 5) for suffix in ("npz", "bvh")}
    assert {path.name for path in tmp_path.iterdir()} == {*names, "clip one-4.html"}
    assert shown.rstrip().endswith("clip one-4.html")


def test_a_folder_of_videos_and_one_that_fails(hero_react, run, video, tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(video.read_bytes())
    (folder / "b.mp4").write_bytes(b"no video")
    (folder / "notes.txt").write_text("not meant")
    make_video(folder / "c.mp4", 3, frames=18, fps=30)
    code, _, problem = hero_react(folder, "--run", run, "--out", tmp_path / "out", "--frames", 8, "--no-film")
    assert code == 3
    assert "failed: " in problem
    assert "b.mp4" in problem
    assert {path.name for path in (tmp_path / "out").glob("*.npz")} == {"a-0.npz", "c-0.npz"}


def test_two_videos_of_one_name_are_not_written_over_each_other(hero_react, run, tmp_path):
    for folder, seed in (("a", 1), ("b", 2)):
        make_video(tmp_path / folder / "clip.mp4", seed, frames=18, fps=30)
    videos = [tmp_path / folder / "clip.mp4" for folder in "ab"]
    options = ("--run", run, "--out", tmp_path / "out", "--frames", 8, "--no-film", "--overwrite")
    code, _, problem = hero_react(*videos, *options)
    assert code == 3
    assert f"failed: {videos[1]}: its files would have the names of those of {videos[0]}" in problem
    with np.load(tmp_path / "out" / "clip-0.npz", allow_pickle=False) as arrays:
        assert json.loads(str(arrays["provenance"]))["video"]["sha256"] == sha256_of_file(videos[0])


@pytest.mark.parametrize(
    "arguments", [("--frames", 204), ("--length", "auto"), ("--edit", "motion.npy", "--clean-feet")]
)
def test_a_wrong_option_is_one_line_whatever_the_number_of_videos(
    hero_react, run, video, tmp_path, monkeypatch, arguments
):
    monkeypatch.chdir(tmp_path)
    np.save("motion.npy", np.zeros((8, 263), np.float32))
    monkeypatch.setattr(encoder.RunEncoder, "encode", lambda *_: pytest.fail("a video was read"))
    code, _, problem = hero_react(video, tmp_path / "other.mp4", "--run", run, "--out", tmp_path, *arguments)
    assert code == 2
    assert problem.count("error:") == 1


def test_nan_is_told_and_not_written(hero_react, run, video, tmp_path, monkeypatch):
    def generate(self, condition, lengths, rng):
        return Reactions(torch.full((1, int(lengths), 263), torch.nan), lengths)

    monkeypatch.setattr(Hero, "generate", generate)
    code, _, problem = hero_react(video, "--run", run, "--out", tmp_path / "out", "--frames", 8)
    assert code == 2
    assert "gives NaN for" in problem
    assert video.name in problem
    assert not (tmp_path / "out").exists()


def test_files_of_another_video_stay(run, video, tmp_path):
    reactor, out = Reactor(run, sampling=["steps=2"]), tmp_path / "out"
    reactor(video, length_frames=8).save(out, film=False)
    reactor(video, length_frames=12).save(out, film=False)  # its own may be made anew
    stranger = tmp_path / video.name
    make_video(stranger, 9, frames=18, fps=30)
    before = (out / "clip one-0.npz").read_bytes()
    with pytest.raises(InputError, match="is of another video"):
        reactor(stranger, length_frames=8).save(out, film=False)
    assert (out / "clip one-0.npz").read_bytes() == before
    reactor(stranger, length_frames=8).save(out, film=False, overwrite=True)
    assert (out / "clip one-0.npz").read_bytes() != before


def test_kept_frames_of_an_edited_motion_come_back_bit_by_bit(hero_react, run, video, tmp_path):
    hero_react(video, "--run", run, "--out", tmp_path, "--frames", 24, "--no-film")
    first = tmp_path / "clip one-0.npz"
    before = np.load(first)["vectors"]
    code, _, problem = hero_react(
        *(video, "--run", run, "--out", tmp_path / "edited", "--no-film", "--seed", 3),
        *("--edit", first, "--keep", ":8", "--keep", "18:"),
    )
    assert code == 0, problem
    after = np.load(tmp_path / "edited" / "clip one-3.npz")["vectors"]
    assert after.shape == before.shape
    assert np.array_equal(after[:8], before[:8])
    assert np.array_equal(after[18:], before[18:])
    assert (after[8:16] != before[8:16]).any(axis=1).all()


def test_an_edit_is_recorded(reactor, video, tmp_path):
    vectors = reactor(video, length_frames=16)[0].vectors
    np.save(tmp_path / "motion.npy", vectors)
    edit = Edit.of(tmp_path / "motion.npy", [":4", "9:12", "12:16"])
    plain, edited = (reactor(video, edit=each)[0].provenance["edited"] for each in (None, edit))
    assert plain is None
    assert edited["kept_frames"] == [[0, 4], [9, 16]]
    assert edited["vectors_sha256"] == hashlib.sha256(vectors.tobytes()).hexdigest()


def test_frames_beyond_whole_tokens_are_not_edited_and_cannot_be_kept(tmp_path):
    np.save(tmp_path / "motion.npy", np.arange(203 * 263, dtype=np.float32).reshape(203, 263))
    edit = Edit.of(tmp_path / "motion.npy", ["196:"])
    assert len(edit.motion) == len(edit.keep) == 200
    assert edit.keep.sum() == 4
    with pytest.raises(HeroError, match="--keep 196:203: the motion has the frames 0:200, in whole tokens"):
        Edit.of(tmp_path / "motion.npy", ["196:203"])


@pytest.mark.parametrize("keep", ["8", "9:4", "0:99", "a:b"])
def test_impossible_ranges_to_keep_are_refused(tmp_path, keep):
    np.save(tmp_path / "motion.npy", np.zeros((24, 263), np.float32))
    with pytest.raises(HeroError, match="--keep"):
        Edit.of(tmp_path / "motion.npy", [keep])


def test_what_is_no_motion_is_not_edited(tmp_path):
    np.save(tmp_path / "joints.npy", np.zeros((24, 22, 3), np.float32))
    (tmp_path / "text.npy").write_text("motion")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and then nothing")
    (tmp_path / "empty.npz").touch()
    for name, complaint in (
        ("joints.npy", "expected HumanML3D vectors"),
        ("text.npy", "no motion"),
        ("broken.npz", "no motion"),
        ("empty.npz", "no motion"),
        ("x", "no motion"),
    ):
        with pytest.raises(InputError, match=complaint):
            Edit.of(tmp_path / name, [])


def test_clean_feet_are_recorded(reactor, video):
    plain, clean = (reactor(video, length_frames=24, clean_feet=clean)[0] for clean in (False, True))
    assert (plain.provenance["clean_feet"], clean.provenance["clean_feet"]) == (False, True)
    assert clean.vectors.shape == plain.vectors.shape
    assert not np.array_equal(clean.vectors, plain.vectors)
