"""Training sets in, weights and numbers out."""

import os

# OpenMP reads this when torch loads. Threads that sleep as soon as they wait, which hero_core chooses otherwise, cost a
# small model's step 40 % of its speed on free cores; those that spin for milliseconds, as is usual, most of it where
# something else wants a core. These spin for microseconds. A user's own choice is kept.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import hero_core  # noqa: F401 -- before torch: decides how its threads wait
