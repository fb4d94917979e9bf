"""The paper's tables: what is trained for them, and measured of every run."""
