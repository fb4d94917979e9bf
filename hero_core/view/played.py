"""Videos of a folder as browsers play them."""

from pathlib import Path

from hero_core.view.document import ShownVideo

LARGEST_BYTES = 4_000_000
_PLAYED = {".mp4": "video/mp4", ".webm": "video/webm", ".m4v": "video/mp4"}


def played_video(folder: Path, name: str) -> ShownVideo | None:
    """A video in ``folder``; None where it is not there, is too large, or of a kind that browsers do not play."""
    path = (folder / name).resolve()
    mime = _PLAYED.get(path.suffix.lower())
    if mime is None or not path.is_relative_to(folder.resolve()) or not path.is_file():
        return None
    if path.stat().st_size > LARGEST_BYTES:
        return None
    return ShownVideo(path.name, path.read_bytes(), mime)
