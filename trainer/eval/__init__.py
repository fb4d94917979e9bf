"""Evaluation. The files here measure one run; the folders build on them, and they on none of the folders.

comparison  results of several runs side by side
study       the paper's tables: trains and measures what they compare
gallery     the page of held-out reactions
commands    the commands of ``hero-eval``, which ``cli`` puts together
"""
