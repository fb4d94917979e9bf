"""Held-out data whose right answers are known, and a run of tiny random models."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from hero_core.files import sha256_of_file, write_json
from hero_core.manifest import PAIRS, write_table
from hero_core.models.codec import MotionCodec
from hero_core.models.evaluator import EvaluatorConfig, MotionEvaluator
from hero_core.models.masked import MaskedConfig, MaskedTransformer
from hero_core.models.residual import ResidualConfig, ResidualTransformer
from hero_core.models.rvq import RvqConfig
from hero_core.models.sampling import SamplingConfig
from hero_core.motion.humanml3d import joints_to_vectors
from hero_core.motion.normaliser import Normaliser
from hero_core.runs import CODEC_KEY, codec_fingerprint
from hero_core.shards import ArrayRecord, open_writer
from pipeline.minivimo import make_motion, sample_clip
from trainer.data import DATA_KEY
from trainer.eval.protocol import EvaluationConfig

FEATURE_DIM = 8
FINGERPRINT = "0123456789abcdef"
CLIPS = {"train": range(0, 4), "val": range(4, 8), "test": range(8, 26)}


@pytest.fixture(scope="session")
def truth_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training data of MiniViMo motions with their truths; features are random numbers. Test clip 0 has two pairs."""
    folder, rng = tmp_path_factory.mktemp("truths"), np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    motions = []
    for split, indices in CLIPS.items():
        shard = f"{split}-00000.tar"
        pairs = [(index, 0) for index in indices] + ([(CLIPS["test"][0], 1)] if split == "test" else [])
        fresh = []
        with open_writer(folder / "shards" / shard) as writer:
            for index, variant in pairs:
                plan = sample_clip(1, index)
                vectors = joints_to_vectors(make_motion(plan, variant))
                frames = rng.normal(size=(4, FEATURE_DIM)).astype(np.float32)
                key = f"clip{index}--motion{index}-{variant}"
                arrays = {"frames": frames, "global": frames.mean(0), "timestamps_seconds": np.arange(4) / 4}
                writer.write(ArrayRecord(key, {**arrays, "motion": vectors}, {}))
                motions.append(vectors)
                fresh.append(
                    {
                        "key": key,
                        "clip_key": f"clip{index}",
                        "motion_key": f"motion{index}-{variant}",
                        "split": split,
                        "broad": plan.interaction.broad,
                        "subcategory": plan.interaction.name,
                        "source_video": f"clip{index}.mp4",
                        "motion_source": f"motion{index}-{variant}.npy",
                        "length": len(vectors),
                        "shard": shard,
                        "warnings": [],
                        "truth_reaction": plan.interaction.reaction,
                        "truth_side": plan.side,
                        "truth_onset_seconds": plan.onset_seconds(variant),
                    }
                )
        digest = sha256_of_file(folder / "shards" / shard)
        rows += [{**row, "shard_sha256": digest} for row in fresh]
    write_table(folder / "pairs.parquet", PAIRS, rows)
    Normaliser.from_vectors(motions).save(folder)
    description = {
        "schema": "training-data/1",
        "name": "MiniViMo",
        "statement": "MiniViMo is procedural, not ViMo.",
        "encoder": {"name": "none", "statement": "Random numbers instead of features."},
        "fingerprint": FINGERPRINT,
    }
    write_json(folder / "dataset.json", description)
    return folder


@pytest.fixture(scope="session")
def random_run(tmp_path_factory: pytest.TempPathFactory, truth_folder: Path) -> Path:
    """Tiny random models that claim to be trained on ``truth_folder``."""
    run = tmp_path_factory.mktemp("run")
    write_random_run(run, truth_folder, {DATA_KEY: FINGERPRINT})
    return run


@pytest.fixture(scope="session")
def make_random_run() -> Callable[[Path, Path, Mapping[str, object]], None]:
    return write_random_run


def write_random_run(run: Path, data: Path, metadata: Mapping[str, object]) -> None:
    mean, std = (
        torch.from_numpy(np.load(data / f"{name}.npy", allow_pickle=False)).float()
        for name in ("Mean", "Std")
    )
    torch.manual_seed(0)
    small = {"codebook_size": 16, "code_dim": 8}
    codec = MotionCodec(RvqConfig(width=8, depth=1, quantizers=2, **small), mean, std)
    for name, buffer in codec.named_buffers():
        if name.endswith("codebook"):
            buffer.normal_()  # untrained codes are all alike
    sizes = {**small, "latent_dim": 8, "ff_size": 8, "layers": 1, "heads": 2, "feature_dim": FEATURE_DIM}
    masked = MaskedTransformer(MaskedConfig(**sizes, intention_heads=2))
    residual = ResidualTransformer(ResidualConfig(**sizes, intention_heads=2, quantizers=2))
    evaluator = MotionEvaluator(
        EvaluatorConfig(movement_hidden=8, movement_dim=8, motion_hidden=8, embedding_dim=6), mean, std
    )
    codec.save(run / "rvq" / "best", metadata)
    made_with = {**metadata, CODEC_KEY: codec_fingerprint(codec)}
    masked.save(run / "masked" / "best", made_with)
    residual.save(run / "residual" / "best", made_with)
    evaluator.save(run / "evaluator" / "best", metadata)


@pytest.fixture(scope="session")
def short() -> EvaluationConfig:
    """Settings of an evaluation that takes a moment."""
    return EvaluationConfig(
        repeats=2,
        batch_size=5,
        multimodality_clips=3,
        multimodality_generations=4,
        multimodality_pairs=3,
        control_repeats=1,
        sampling=SamplingConfig(steps=2),
    )


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
