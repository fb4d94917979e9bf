"""The commands of ``hero-eval``: what each takes and does; what it works with is imported when it is called."""
