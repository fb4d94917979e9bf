"""MiniViMo: a small procedural data set of interactions, and of the reactions that fit them.

It is not ViMo, and holds no real people.
"""

from pipeline.minivimo.interactions import BROAD_CATEGORIES, INTERACTIONS, Interaction, Side
from pipeline.minivimo.motions import make_motion
from pipeline.minivimo.plan import ClipPlan, sample_clip
from pipeline.minivimo.render import render_frames
from pipeline.minivimo.write import MiniVimoSummary, write_minivimo

__all__ = [
    "BROAD_CATEGORIES",
    "INTERACTIONS",
    "ClipPlan",
    "Interaction",
    "MiniVimoSummary",
    "Side",
    "make_motion",
    "render_frames",
    "sample_clip",
    "write_minivimo",
]
