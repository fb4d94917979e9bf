"""Scripts that print the numbers and draw the picture of the README, and the one that trains ``mini``."""
