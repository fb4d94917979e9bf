"""Where the tests find data that is not part of the project."""

import os
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent


def _data_folder(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / default))
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; set {variable} to run this test")
    return folder


@pytest.fixture(scope="session")
def parity_dir() -> Path:
    """Numbers made by running the official code (HERO_PARITY_DIR)."""
    return _data_folder("HERO_PARITY_DIR", "parity")


@pytest.fixture(scope="session")
def realdata_dir() -> Path:
    """Real videos and motions, and broken ones (HERO_REALDATA_DIR)."""
    return _data_folder("HERO_REALDATA_DIR", "realdata")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """The models of the tests are too small for two threads to be faster, and on busy cores they are slower."""
    torch.set_num_threads(1)
