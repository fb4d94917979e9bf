"""Training sets in, weights and numbers out."""

import hero_core  # noqa: F401 -- before torch: decides how its threads wait
