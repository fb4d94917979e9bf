"""Reactions to videos, from a notebook: ``react`` for one video, a ``Reactor`` for many."""

from pipeline.react.film import ReactionFiles, write_reaction
from pipeline.react.reaction import Reaction
from pipeline.react.reactor import Reactor, react

__all__ = ["Reaction", "ReactionFiles", "Reactor", "react", "write_reaction"]
