"""Where work on single files runs. ``local`` is this machine; a new engine is one file with the same function."""
