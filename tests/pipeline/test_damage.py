"""Any damage to any file of a cache or a training set is reported by verify, and is read as nothing else."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hero_core.errors import HeroError
from pipeline.config import PairsConfig
from pipeline.encoders import Encoder
from pipeline.extract import extract
from pipeline.pairs import build_pairs
from pipeline.sources import open_source
from pipeline.verify import verify
from tests.content import cache_content, set_content
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
