"""Which versions this is made with, as they are installed: nothing is imported for it."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


def library_versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    names = ("hero-motion", "torch", "numpy", "scipy", "av", "opencv-python-headless", "safetensors")
    return {name: _version(name) for name in names}


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
