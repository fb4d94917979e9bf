"""Where videos and reactions come from: three layouts, one ``Source``."""

from pipeline.sources.description import DatasetDescription
from pipeline.sources.open import open_source
from pipeline.sources.paths import key_for
from pipeline.sources.records import Source, SourcePair, SourceVideo, Truth

__all__ = ["DatasetDescription", "Source", "SourcePair", "SourceVideo", "Truth", "key_for", "open_source"]
