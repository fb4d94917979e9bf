"""Training sets whose right answers are known, and runs of tiny random models, made without pipeline or trainer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hero_core.choices import JOINT_EVALUATOR
from hero_core.config import Config
from hero_core.fingerprint import EncoderIdentity, FeatureIdentity, sha256_of_tensors
from hero_core.models.base import Reactions, TrainingFacts, VideoFeatures
from hero_core.models.checkpoint import save_network
from hero_core.models.evaluator import EvaluatorConfig, MotionEvaluator
from hero_core.models.generators.hero import Hero, MaskedTransformer, ResidualTransformer
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.motion.format import MAX_FRAMES, MOTION_DIM
from hero_core.motion.humanml3d import joints_to_vectors
from hero_core.motion.statistics import MotionStatistics
from hero_core.records import FeatureRecord, MotionRecord, Pair, Split
from hero_core.runs import (
    ENCODED_BY_KEY,
    EVALUATORS,
    checkpoint_path,
    describe_run,
    load_evaluator,
    load_generator,
)
from hero_core.shards import open_writer
from hero_core.storage import sha256_of_file
from hero_core.training_set import PairRow, TrainingSet, sample_record, write_description, write_manifest
from pipeline.minivimo import make_motion, sample_clip
from trainer.eval.baselines import KnownPairs
from trainer.eval.evaluate import Result, evaluate
from trainer.eval.protocol import EvaluationConfig

FEATURE_DIM = 8
CLIPS: Mapping[Split, Sequence[int]] = {"train": range(4), "val": range(4, 8), "test": range(8, 26)}

Entry = tuple[Pair, np.ndarray]
MakeSet = Callable[..., TrainingSet]
MakeRun = Callable[..., Path]


def make_entries() -> list[Entry]:
    """MiniViMo pairs with their motions; the first test clip has two."""
    entries: list[Entry] = []
    for split, indices in CLIPS.items():
        for index, variant in [(index, 0) for index in indices] + [(indices[0], 1)] * (split == "test"):
            plan = sample_clip(1, index)
            vectors = joints_to_vectors(make_motion(plan, variant))
            motion = f"motion{index}-{variant}"
            pair = Pair(
                key=f"clip{index}--{motion}",
                clip_key=f"clip{index}",
                motion_key=motion,
                split=split,
                broad=plan.interaction.broad,
                subcategory=plan.interaction.name,
                source_video=f"clip{index}.mp4",
                motion_path=f"{motion}.npy",
                length=len(vectors),
                truth=plan.truth(variant),
            )
            entries.append((pair, vectors))
    return entries


def make_identity(**changes: Any) -> FeatureIdentity:
    rules = dict.fromkeys(
        ("sampling", "decoding", "resize", "normalisation", "dtype", "storage_dtype"), "any"
    )
    encoder = EncoderIdentity(name="random", architecture={"width": FEATURE_DIM}, weights_sha256="0")
    return FeatureIdentity.model_validate({**rules, "encoder": encoder, "batch_clips": 1, **changes})


def write_set(
    folder: Path,
    entries: Sequence[Entry],
    identity: FeatureIdentity | None = None,
    name: str = "MiniViMo",
    seed: int = 0,
) -> TrainingSet:
    """A training set of these pairs; a clip's features are random numbers."""
    rng = np.random.default_rng(seed)
    identity = identity or make_identity()
    width = int(identity.encoder.architecture["width"])
    seconds = np.arange(4) / 4
    features = {
        clip: FeatureRecord.of(rng.normal(size=(4, width)).astype(np.float32), seconds)
        for clip in dict.fromkeys(pair.clip_key for pair, _ in entries)
    }
    rows = []
    for split in dict.fromkeys(pair.split for pair, _ in entries):
        shard = f"{split}-00000.tar"
        chosen = [entry for entry in entries if entry[0].split == split]
        with open_writer(folder / "shards" / shard) as writer:
            for pair, vectors in chosen:
                video = None if pair.clip_key is None else features[pair.clip_key]
                writer.write(sample_record(pair.key, MotionRecord(vectors), video, pair))
        digest = sha256_of_file(folder / "shards" / shard)
        rows += [PairRow(pair, shard, digest) for pair, _ in chosen]
    write_manifest(folder, rows)
    MotionStatistics.from_vectors([vectors for _, vectors in entries]).save(folder)
    write_description(
        folder,
        rows,
        identity,
        name=name,
        statement=f"{name} is procedural, not ViMo.",
        encoder_statement="Random numbers instead of features.",
        protocol="test",
    )
    return TrainingSet(folder)


def write_run(run: Path, data: TrainingSet, metadata: Mapping[str, Any] | None = None) -> Path:
    """Tiny random models of HERO and an evaluator, by default said to be trained on ``data``."""
    noted = {"data": data.facts(), "seed": 3, "selection": "validation"} if metadata is None else metadata
    torch.manual_seed(0)
    tokenizer = RvqTokenizer(RvqConfig(width=8, depth=1, quantizers=2, codebook_size=16, code_dim=8))
    for name, buffer in tokenizer.named_buffers():
        if name.endswith("codebook"):
            buffer.normal_()  # untrained codes are all alike
    sizes = {"codebook_size": 16, "code_dim": 8, "latent_dim": 8, "ff_size": 8, "layers": 1, "heads": 2}
    sizes |= {"feature_dim": FEATURE_DIM, "intention_heads": 2}
    masked = MaskedTransformer(MaskedTransformer.settings(**sizes))
    residual = ResidualTransformer(ResidualTransformer.settings(**sizes, quantizers=2))
    facts = TrainingFacts(data.statistics(), FEATURE_DIM, longest_frames=0, parts={})
    small = EvaluatorConfig(movement_hidden=8, movement_dim=8, motion_hidden=8, embedding_dim=6)
    evaluators = {
        name: MotionEvaluator.build(small.model_copy(update={"sees": sees}), facts)
        for name, sees in EVALUATORS.items()
    }
    tokenizer.normalisation.take(data.statistics())
    encoded_by = {ENCODED_BY_KEY: sha256_of_tensors(tokenizer.state_dict())}
    describe_run(run, Hero.kind)
    save_network(checkpoint_path(run, "rvq"), tokenizer, noted)
    save_network(checkpoint_path(run, "masked"), masked, {**noted, **encoded_by})
    save_network(checkpoint_path(run, "residual"), residual, {**noted, **encoded_by})
    for name, evaluator in evaluators.items():
        save_network(checkpoint_path(run, name), evaluator, noted)
    return run


@pytest.fixture(scope="session")
def entries() -> list[Entry]:
    return make_entries()


@pytest.fixture(scope="session")
def identity() -> Callable[..., FeatureIdentity]:
    return make_identity


@pytest.fixture(scope="session")
def make_set() -> MakeSet:
    return write_set


@pytest.fixture(scope="session")
def make_run() -> MakeRun:
    return write_run


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, entries: list[Entry]) -> TrainingSet:
    """All of :func:`make_entries`."""
    return write_set(tmp_path_factory.mktemp("truths"), entries)


@pytest.fixture(scope="session")
def other_data(tmp_path_factory: pytest.TempPathFactory, entries: list[Entry]) -> TrainingSet:
    """Another set whose features were made the same way."""
    renamed = [(replace(pair, key=f"other-{pair.key}"), vectors) for pair, vectors in entries]
    return write_set(tmp_path_factory.mktemp("others"), renamed, name="OtherSet", seed=1)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, data: TrainingSet) -> Path:
    """A run on ``data``."""
    return write_run(tmp_path_factory.mktemp("run"), data)


@pytest.fixture(scope="session")
def short() -> EvaluationConfig:
    """Settings of an evaluation that takes a moment."""
    return EvaluationConfig(
        repeats=2,
        batch_size=5,
        multimodality_clips=3,
        multimodality_generations=4,
        multimodality_pairs=3,
        bootstrap=20,
        sampling={"steps": 2},
    )


@pytest.fixture(scope="package")
def result(run: Path, data: TrainingSet, short: EvaluationConfig, _one_thread: None) -> Result:
    """Of the run on its own data."""
    generator = load_generator(run, sampling=short.sampling_overrides())
    samples = data.held_out("test")
    known = KnownPairs(data.train(), data.validation())
    joints = load_evaluator(run, JOINT_EVALUATOR)[0]
    cpu = torch.device("cpu")
    return evaluate(
        generator, load_evaluator(run)[0], samples, short, cpu, known=known, joint_evaluator=joints
    )


class EchoSampling(Config):
    """How much of a draw is added."""

    noise: float = 0.0


class Echo:
    """A generator without tokens, whose reaction is constant: the first number that it knows of the video."""

    kind = "echo"
    parts: Mapping[str, Any] = {}
    sampling_settings = EchoSampling
    feature_dim = FEATURE_DIM
    max_length = MAX_FRAMES
    chooses_length = stops_by_itself = False

    def __init__(self, noise: float = 0.0) -> None:
        self.sampling = EchoSampling(noise=noise)
        self.times: list[torch.Tensor] = []
        self.batches: list[list[int]] = []

    def generate(self, condition: VideoFeatures, lengths: torch.Tensor, rng: torch.Generator) -> Reactions:
        assert condition.frames.shape[0] == len(lengths)
        self.batches.append(lengths.tolist())
        self.times.append(condition.times)
        draw = self.sampling.noise * torch.rand(len(lengths), 1, 1, generator=rng)
        motion = (condition.frames[:, 0, :1, None] + draw).expand(-1, int(lengths.max()), MOTION_DIM)
        return Reactions(motion.clone(), lengths)

    def reconstruct(self, motion: torch.Tensor, lengths: torch.Tensor) -> None:
        return None

    def to(self, device: torch.device) -> "Echo":
        return self


@pytest.fixture(scope="session")
def echo() -> type[Echo]:
    return Echo


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
