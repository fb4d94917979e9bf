"""What ``hero-train`` chooses from, by name."""

DEFAULT_GENERATOR = "hero"
ALL = "all"
"""In place of a part: all of them."""
