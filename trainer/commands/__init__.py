"""The commands of ``hero-train``: what each takes and does; what it works with is imported when it is called."""
