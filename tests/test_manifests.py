"""The page on schemas names every column and every field; the data set descriptions are valid."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from hero_core.manifest import CACHE, PAIRS, QUARANTINE
from pipeline.sources.description import DatasetDescription, describe
from pipeline.sources.table import ALSO_CALLED, FIELDS

MANIFESTS = Path(__file__).resolve().parent.parent / "manifests"


def section(start: str) -> str:
    """What the page says from ``start`` up to the next heading or list of columns."""
    _, found, text = (MANIFESTS / "README.md").read_text().partition(start)
    assert found, f"manifests/README.md has no {start!r}"
    return re.split(r"^(?:#|Columns of)", text, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("schema", [CACHE, PAIRS, QUARANTINE], ids=["cache", "pairs", "quarantine"])
def test_every_column_is_described(schema: pa.Schema) -> None:
    name = (schema.metadata or {})[b"hero.schema"].decode()
    text = section(f"Columns of `{name}`")
    assert [column for column in schema.names if f"`{column}`" not in text] == []


def test_every_field_of_a_pair_table_is_described() -> None:
    text = section("Columns of a pair table")
    names = {*FIELDS, *(name for names in ALSO_CALLED.values() for name in names)}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def test_every_key_of_a_description_is_described() -> None:
    text = section("# Dataset descriptions")
    assert [name for name in DatasetDescription.model_fields if f"| `{name}` |" not in text] == []


@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("*.toml")), ids=lambda path: path.name)
def test_descriptions_are_valid(path: Path) -> None:
    assert describe(MANIFESTS, path).broad == ("human-human", "animal-human", "scene-human")
