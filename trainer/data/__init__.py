"""From a training set to batches: what is drawn, where it is read from, and the codes that stand for motions."""
