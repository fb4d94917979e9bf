"""A training set of ViMo's size and shape, of smooth random motions and random features, to measure speed on."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hero_core.fingerprint import EncoderIdentity, FeatureIdentity
from hero_core.motion.format import FPS, FRAMES_PER_TOKEN, MAX_FRAMES, MOTION_DIM
from hero_core.motion.statistics import MotionStatistics
from hero_core.records import FeatureRecord, MotionRecord, Pair, Split
from hero_core.shards import ArrayRecord, open_writer
from hero_core.storage import sha256_of_file
from hero_core.training_set import PairRow, sample_record, write_description, write_manifest

PAIRS = 2800
MEAN_TOKENS, DEVIATION_TOKENS = 24, 9
FEATURE_DIM, SAMPLED_FRAMES = 512, 16
PAIRS_IN_A_SHARD = 500

_IDENTITY = FeatureIdentity(
    sampling="random",
    decoding="none",
    resize="none",
    normalisation="none",
    encoder=EncoderIdentity(name="random", architecture={}, weights_sha256="0" * 64),
    dtype="float32",
    storage_dtype="float32",
    batch_clips=1,
)


def write_vimo_like(folder: Path, training_pairs: int = PAIRS, shard_format: str = "tar") -> Path:
    """Write ``training_pairs`` pairs to learn from and a tenth as many to validate on; returns the folder."""
    rng = np.random.default_rng(0)
    rows: list[PairRow] = []
    some: list[NDArray[np.float32]] = []
    counts: dict[Split, int] = {"train": training_pairs, "val": max(1, training_pairs // 10)}
    for split, count in counts.items():
        for start in range(0, count, PAIRS_IN_A_SHARD):
            name = f"{split}-{start // PAIRS_IN_A_SHARD:05d}.{shard_format}"
            path = folder / "shards" / name
            pairs = []
            with open_writer(path) as writer:
                for pair, record, motion in _samples(
                    rng, split, range(start, min(start + PAIRS_IN_A_SHARD, count))
                ):
                    writer.write(record)
                    pairs.append(pair)
                    some = [*some, motion][:PAIRS_IN_A_SHARD]
            sha256 = sha256_of_file(path)
            rows += [PairRow(pair, name, sha256) for pair in pairs]
    write_manifest(folder, rows)
    MotionStatistics.from_vectors(some).save(folder)
    words = {"name": "ViMo's size", "statement": "random numbers", "encoder_statement": "none"}
    write_description(folder, rows, _IDENTITY, **words)
    return folder


def _samples(
    rng: np.random.Generator, split: Split, numbers: range
) -> Iterator[tuple[Pair, ArrayRecord, NDArray[np.float32]]]:
    for number in numbers:
        tokens = rng.normal(MEAN_TOKENS, DEVIATION_TOKENS)
        longest = MAX_FRAMES - 1
        length = int(
            np.clip(tokens * FRAMES_PER_TOKEN + rng.integers(FRAMES_PER_TOKEN), 5 * FRAMES_PER_TOKEN, longest)
        )
        phase, speed = rng.uniform(0, 6, MOTION_DIM), rng.uniform(0.05, 0.2)
        motion = np.sin(phase + speed * np.arange(length)[:, None]).astype(np.float32)  # (n, 263)
        key = f"{split}-{number}"
        pair = Pair(
            key=key,
            clip_key=f"clip-{key}",
            motion_key=f"motion-{key}",
            split=split,
            broad="none",
            subcategory="none",
            source_video=key,
            motion_path=f"{key}.npy",
            length=length,
        )
        frames = rng.standard_normal((SAMPLED_FRAMES, FEATURE_DIM), np.float32)
        features = FeatureRecord.of(frames, np.linspace(0, length / FPS, SAMPLED_FRAMES))
        yield pair, sample_record(key, MotionRecord(motion), features, pair), motion
