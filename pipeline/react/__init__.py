"""Reactions to videos, from a notebook: a ``Reactor`` loads a run once and reacts to many clips."""

from pipeline.react.editing import Edit
from pipeline.react.files import ReactionFiles, write_reactions
from pipeline.react.reaction import Reaction
from pipeline.react.reactor import Reactor
from pipeline.react.samples import ReactionSamples

__all__ = ["Edit", "Reaction", "ReactionFiles", "ReactionSamples", "Reactor", "write_reactions"]
