"""What both sides of HERO share: records, shards, manifests, motion, models, checkpoints."""

import os

# OpenMP reads this when torch loads. Threads that spin while they wait make torch up to 40 times slower as soon as
# anything else, such as our own decoding processes, wants a core; sleeping costs microseconds. A user's own choice is
# kept, and the trainer's.
if "GOMP_SPINCOUNT" not in os.environ:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
