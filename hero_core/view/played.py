"""Videos of a folder as browsers play them."""

from pathlib import Path

from hero_core.view.document import ShownVideo

LARGEST_BYTES = 4_000_000
_PLAYED = {".mp4": "video/mp4", ".webm": "video/webm", ".m4v": "video/mp4"}


def preview_name(name: str) -> str:
    """Name of the copy that browsers play of a video: its own, and the ending that it then has."""
    return name if name.lower().endswith(".mp4") else f"{name}.mp4"


def played_video(folder: Path, name: str) -> ShownVideo | None:
    """A video in ``folder``, or its copy there; None where neither is there, or small, or what browsers play."""
    return _played(folder, name) or _played(folder, preview_name(name))


def _played(folder: Path, name: str) -> ShownVideo | None:
    path = (folder / name).resolve()
    mime = _PLAYED.get(path.suffix.lower())
    if mime is None or not path.is_relative_to(folder.resolve()) or not path.is_file():
        return None
    if path.stat().st_size > LARGEST_BYTES:
        return None
    return ShownVideo(path.name, path.read_bytes(), mime)
