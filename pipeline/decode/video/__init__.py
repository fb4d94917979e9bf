"""Video files in and out. The only package that touches PyAV."""

from pipeline.decode.checks import DecodeError, DecodeLimits
from pipeline.decode.video.clip import DecodedClip, decode_clip
from pipeline.decode.video.read import read_frames
from pipeline.decode.video.rule import decode_rule, decoder_versions
from pipeline.decode.video.write import write_mp4

__all__ = [
    "DecodeError",
    "DecodeLimits",
    "DecodedClip",
    "decode_clip",
    "decode_rule",
    "decoder_versions",
    "read_frames",
    "write_mp4",
]
