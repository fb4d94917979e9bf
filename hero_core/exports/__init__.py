"""Motions as files for other programs: ``export`` writes one, its name says of which kind."""

from hero_core.exports.by_suffix import Exported, export
from hero_core.exports.source import read_joints

__all__ = ["Exported", "export", "read_joints"]
