"""Reactions to videos, from a notebook: ``react`` for one video, a ``Reactor`` for many."""

from pipeline.react.film import Reaction, ReactionFiles, write_reaction
from pipeline.react.reactor import Reactor, react

__all__ = ["Reaction", "ReactionFiles", "Reactor", "react", "write_reaction"]
