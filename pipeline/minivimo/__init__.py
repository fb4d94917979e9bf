"""MiniViMo: a small procedural data set of interactions, and of the reactions that fit them.

It is not ViMo, and holds no real people.
"""

from hero_core.minivimo.interactions import INTERACTIONS
from pipeline.minivimo.motions import make_motion
from pipeline.minivimo.plan import ClipPlan, sample_clip
from pipeline.minivimo.render import render_frames
from pipeline.minivimo.write import write_minivimo

__all__ = ["INTERACTIONS", "ClipPlan", "make_motion", "render_frames", "sample_clip", "write_minivimo"]
