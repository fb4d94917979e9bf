"""Any damage to any file of a cache or a training set is reported by verify, and is read as nothing else."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hero_core.cache import KINDS, Cache
from hero_core.errors import HeroError
from hero_core.training_set import TrainingSet
from pipeline.config import PairsConfig
from pipeline.encoders import Encoder
from pipeline.extract import extract
from pipeline.pairs import build_pairs
from pipeline.sources import open_source
from pipeline.verify import verify
from tests.damage import damages
from tests.pipeline.conftest import EXTRACT, make_source

PLACES = 16


@pytest.fixture(scope="module", params=["tar", "h5"])
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Encoder
) -> Path:
    root = tmp_path_factory.mktemp(request.param)
    rows = "videos/absent.mp4,motions/00_0.npy,human-human,a,wave,left,0.5\n"
    source = open_source(make_source(root / "s", videos=8, rows=rows))
    extract(
        source, root / "features", tiny_encoder, EXTRACT.model_copy(update={"shard_format": request.param})
    )
    build_pairs(source, root / "features", root / "data", PairsConfig(shard_format=request.param))
    return root


def files_of(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def cache_content(folder: Path) -> list[Any]:
    cache = Cache.open(folder)
    content: list[Any] = [{**cache.description, "seal": None}, cache.provenances()]
    for kind in KINDS:
        for row in cache.rows(kind).values():
            record = (
                None
                if row["status"] != "ok"
                else cache.features(row)
                if kind == "features"
                else cache.motion(row)
            )
            content += [row, record and record.arrays()]
    return content


def set_content(folder: Path) -> list[Any]:
    data = TrainingSet(folder)
    statistics = data.statistics()
    content: list[Any] = [{**data.description, "seal": None}, statistics.mean, statistics.std]
    for sample in (*data.train(), *data.validation(), *data.held_out("test")):
        content += [sample.pair, sample.motion, sample.video.arrays()]
    return content


@pytest.mark.parametrize(("name", "read"), [("features", cache_content), ("data", set_content)])
def test_damage_is_reported_and_never_read(built: Path, name: str, read: Callable[[Path], list[Any]]) -> None:
    folder = built / name
    expected = read(folder)
    assert verify(folder).problems == ()
    for path in files_of(folder):
        for seed, _ in enumerate(damages(path, PLACES)):
            problems = [str(problem) for problem in verify(folder).problems]
            assert any(path.name in problem for problem in problems), (path, seed, problems)
            try:
                np.testing.assert_equal(read(folder), expected)
            except HeroError as error:
                assert path.name in str(error), error  # noqa: PT017
    assert verify(folder).problems == ()


@pytest.mark.parametrize("name", ["features", "data"])
def test_a_missing_file_is_reported(built: Path, name: str) -> None:
    folder = built / name
    first = {"features": "cache.json", "data": "dataset.json"}[name]
    for path in files_of(folder):
        if path.name == first:
            continue  # no cache, or training set, without it
        whole = path.read_bytes()
        path.unlink()
        assert verify(folder).problems, path
        path.write_bytes(whole)
