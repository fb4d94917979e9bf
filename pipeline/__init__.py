"""Videos in, shards out."""

import hero_core  # noqa: F401 -- before torch: decides how its threads wait
