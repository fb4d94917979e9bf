"""The page on schemas names every column, and the data set descriptions are valid."""

from pathlib import Path

import pyarrow as pa
import pytest

from hero_core.manifest import FEATURES, PAIRS, QUARANTINE
from pipeline.sources.description import describe

MANIFESTS = Path(__file__).resolve().parent.parent / "manifests"


@pytest.mark.parametrize("schema", [FEATURES, PAIRS, QUARANTINE])
def test_every_column_is_described(schema: pa.Schema) -> None:
    page = (MANIFESTS / "README.md").read_text()
    assert (schema.metadata or {})[b"hero.schema"].decode() in page
    for column in schema.names:
        assert f"`{column}`" in page, f"manifests/README.md does not describe {column}"


@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("*.toml")), ids=lambda path: path.name)
def test_descriptions_are_valid(path: Path) -> None:
    assert describe(MANIFESTS, path).broad
