"""How a file becomes frames, in words and by versions: part of what features say of themselves."""

import av
from av import library_versions

_RULE = (
    "first video stream that is not a cover picture; all frames decoded in order with one thread and so counted, but "
    "in sound H.264 with B-frames in mp4 or Matroska packets are counted, and pictures neither taken nor referred to "
    "are not decoded nor checked for damage; edit lists applied; rotation metadata {}applied; swscale to rgb24 at the "
    "frame's own size, BT.601 where it does not know the tagged matrix"
)


def decode_rule(rotate: bool) -> str:
    """How a file becomes frames, in words: part of the identity of features."""
    return _RULE.format("" if rotate else "not ")


def decoder_versions() -> dict[str, str]:
    """Versions of everything between the file and the pixels."""
    libraries = {name: ".".join(map(str, library_versions[name])) for name in ("libavcodec", "libswscale")}
    return {"av": av.__version__} | libraries
