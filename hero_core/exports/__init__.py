"""Motions as files for other programs: ``export`` writes one, its name says of which kind."""

from hero_core.exports.by_suffix import SUFFIXES, Exported, Format, export
from hero_core.exports.source import read_joints

__all__ = ["SUFFIXES", "Exported", "Format", "export", "read_joints"]
