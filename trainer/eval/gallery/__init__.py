"""The page of held-out reactions."""
