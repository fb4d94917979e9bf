"""Where videos and motions come from: five layouts, one ``Source``."""

from pipeline.sources.open import open_source
from pipeline.sources.place import source_at
from pipeline.sources.records import UNKNOWN, Source, SourceMotion, SourcePair, SourceVideo

__all__ = ["UNKNOWN", "Source", "SourceMotion", "SourcePair", "SourceVideo", "open_source", "source_at"]
