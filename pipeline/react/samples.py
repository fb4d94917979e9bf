"""Several reactions to one video, to look at and to keep."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from hero_core.view.html import page_html
from pipeline.react.files import write_reactions
from pipeline.react.page import reaction_document
from pipeline.react.reaction import Reaction


class NotebookPage:
    """A page as a notebook shows it, in a frame of its own."""

    def __init__(self, page: str, height_pixels: int) -> None:
        self._page, self._height = page, height_pixels

    def _repr_html_(self) -> str:
        frame = (
            f'width="100%" height="{self._height}" style="border: 0" sandbox="allow-scripts allow-downloads"'
        )
        return f'<iframe srcdoc="{html.escape(self._page)}" {frame}></iframe>'


class ReactionSamples(Sequence[Reaction]):
    """Several reactions to one video, drawn with one seed after another."""

    def __init__(self, reactions: Sequence[Reaction]) -> None:
        """Take one or more."""
        self._reactions = tuple(reactions)

    def __len__(self) -> int:
        return len(self._reactions)

    @overload
    def __getitem__(self, index: int) -> Reaction: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Reaction]: ...

    def __getitem__(self, index: int | slice) -> Reaction | Sequence[Reaction]:
        return self._reactions[index]

    @property
    def joints(self) -> list[NDArray[np.float64]]:
        """Of each, ``(n, 22, 3)`` metres at 20 fps; they may differ in length."""
        return [reaction.joints for reaction in self]

    @property
    def vectors(self) -> list[NDArray[np.float32]]:
        """Of each, ``(n, 263)`` HumanML3D."""
        return [reaction.vectors for reaction in self]

    def show(self, height_pixels: int = 720) -> NotebookPage:
        """The page that plays them beside the video, for a notebook."""
        return NotebookPage(page_html(reaction_document(self)), height_pixels)

    def save(self, out: str | Path, film: bool = True, overwrite: bool = False) -> list[Path]:
        """Write the files of each and one page of all; see :func:`pipeline.react.files.write_reactions`."""
        return write_reactions(self, out, film=film, overwrite=overwrite).paths
