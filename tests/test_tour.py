"""The notebook does what it says: its cells run in order, on data that they make themselves."""

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NOTEBOOK = Path(__file__).resolve().parent.parent / "docs" / "tour.ipynb"
CELLS: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


def run_cells(folder: Path) -> dict[str, Any]:
    """Run all cells as one program in ``folder``."""
    program = folder / "tour.py"
    program.write_text("\n\n".join(CODE), encoding="utf-8")
    return runpy.run_path(str(program))


def test_the_cells_run_in_order_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = run_cells(tmp_path)
    said = capsys.readouterr().out
    assert "0 in quarantine" in said
    assert "rvq loss " in said
    samples, files = made["samples"], made["files"]
    assert [len(each) for each in samples.joints] == [len(each) for each in samples.vectors]
    assert all(np.isfinite(each).all() for each in samples.joints)
    assert [path.suffix for path in files] == [".npz", ".bvh", ".npz", ".bvh", ".html"]
    for suffix in ("glb", "vrma", "csv"):
        assert (tmp_path / "tour" / "reactions" / f"reaction.{suffix}").stat().st_size > 1000
    assert "<iframe" in samples.show()._repr_html_()
    again = run_cells(tmp_path)
    said = capsys.readouterr().out
    assert "0 made, 150 kept from before" in said
    assert "rvq finished already" in said
    for one, other in zip(samples.vectors, again["samples"].vectors, strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_is_kept_without_what_it_printed() -> None:
    for cell in CELLS:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_every_cell_of_code_is_explained() -> None:
    kinds = [cell["cell_type"] for cell in CELLS]
    assert kinds == ["markdown", "code"] * (len(kinds) // 2)
