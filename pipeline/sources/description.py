"""``dataset.toml``: what a data set is, as data."""

from pathlib import Path

from pydantic import Field

from hero_core.config import Config, load_config

DATASET_FILE = "dataset.toml"


class DatasetDescription(Config):
    """What a data set says about itself.

    Attributes:
        name: as reports print it.
        statement: one sentence on what it is and what it is not; travels into every manifest and report.
        licences: terms that apply, one line each.
        broad: broad categories, as named in the paths of the videos.
        unseen_subcategories: subcategories to hold out whole (the unseen protocol; paper, section 4).
        motion_fps: rate of motions stored as joint positions; ``None`` where each file or row states its own.
        synchronous: a reaction plays at the same time as its video: its frame k is k / 20 s after the video's first.
    """

    name: str = Field(min_length=1)
    statement: str = Field(min_length=1)
    licences: tuple[str, ...] = ()
    broad: tuple[str, ...] = ()
    unseen_subcategories: tuple[str, ...] = ()
    motion_fps: float | None = Field(default=None, gt=0)
    synchronous: bool = False


def describe(root: Path, dataset_toml: Path | None) -> DatasetDescription:
    """The description in ``dataset_toml``, else the one in ``root``, else one that says that there is none.

    Raises:
        ConfigError: the file is missing, is not TOML, or has an unknown key.
    """
    if dataset_toml is None and (root / DATASET_FILE).is_file():
        dataset_toml = root / DATASET_FILE
    if dataset_toml is not None:
        return load_config(DatasetDescription, dataset_toml, ())
    return DatasetDescription(
        name=root.resolve().name or "unnamed",
        statement=f"Origin and licence not stated: the folder has no {DATASET_FILE}.",
    )
