"""A page about a training set or a cache, to look at before training: what is in it, and what is unlike the rest."""
