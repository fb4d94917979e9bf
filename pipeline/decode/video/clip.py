"""A video to the frames that the encoder sees."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.decode.checks import DecodeError, DecodeLimits, DecodeTally, check_damage
from pipeline.decode.sampling import SAMPLES, segment_centres
from pipeline.decode.transforms import IMAGE_SIZE
from pipeline.decode.video.frames import decode_in_order
from pipeline.decode.video.needed import plain_stream, take_needed
from pipeline.decode.video.opened import OpenVideo, Packet, open_video, packets_of, within_memory
from pipeline.decode.video.taker import Taker
from pipeline.decode.video.timing import timing_of

_HELD_BYTES = 64_000_000  # so many of a video are read before the first is decoded


@dataclass(frozen=True)
class DecodedClip:
    """A clip reduced to the frames that the encoder sees.

    Attributes:
        frames: ``(t, size, size, 3)`` uint8 RGB.
        indices: ``(t,)``, which of the decoded frames they are.
        timestamps_seconds: ``(t,)``, when they are shown, counted from the first frame of the video.
        frame_count: frames that decoded.
        fps: average rate.
        warnings: what was not as it should be, one line each; empty for a sound video.
    """

    frames: NDArray[np.uint8]
    indices: NDArray[np.int64]
    timestamps_seconds: NDArray[np.float64]
    frame_count: int
    fps: float
    warnings: tuple[str, ...]


def decode_clip(
    path: Path,
    limits: DecodeLimits | None = None,
    size: int = IMAGE_SIZE,
    samples: int = SAMPLES,
    rotate: bool = False,
) -> DecodedClip:
    """Decode a video in order, converting only the sampled frames.

    Which frames to take depends on how many there are, and headers are not to be trusted. So their count is a
    guess: where the true count differs, the video is decoded a second time. H.264 pictures that are not taken and that
    no other picture depends on are left out where that provably changes no frame; damage in them goes unseen.

    Args:
        path: any video file.
        limits: what it may cost.
        size: side of the square frames, pixels.
        samples: how many frames.
        rotate: turn the frames as the file's rotation metadata says; the official release does not.

    Raises:
        DecodeError: no readable video, too much damage, or over the limits; never another exception of PyAV.
    """
    limits = limits or DecodeLimits()
    taker = Taker(path, size, rotate)
    with within_memory(path):
        tally = _decode_guessing(path, limits, samples, taker)
        warnings = list(check_damage(path, tally, limits))
        frame_count = tally.frame_count
        indices = segment_centres(frame_count, samples)
        if not taker.has(indices):
            tally = _decode_all(path, limits, indices, taker)
    if tally.frame_count != frame_count:
        raise DecodeError(path, "decode", "two passes over this video give different frame counts")
    seconds, fps, more_warnings = timing_of(tally)
    warnings += more_warnings + taker.to_rgb.warnings
    if tally.rotation_degrees and not rotate:
        degrees = tally.rotation_degrees
        warnings.append(
            f"rotation metadata of {degrees} degrees not applied; hero-pipeline extract --rotate applies it"
        )
    if frame_count < samples:
        warnings.append(f"{frame_count} frames for {samples} samples: some frames are taken repeatedly")
    return DecodedClip(
        frames=np.stack([taker.frames[int(index)] for index in indices]),  # (t, size, size, 3)
        indices=indices,
        timestamps_seconds=seconds[indices],
        frame_count=frame_count,
        fps=fps,
        warnings=tuple(warnings),
    )


def _decode_guessing(path: Path, limits: DecodeLimits, samples: int, taker: Taker) -> DecodeTally:
    """First pass: take the frames that are sampled if there are as many frames as it seems."""
    with open_video(path, limits) as video:
        packets = _held_packets(video)
        guess = _guess_frame_count(video, packets)
        indices = segment_centres(guess, samples)
        if packets is None:
            return _take(video, packets_of(video), indices, taker)
        stream = plain_stream(video, packets)
        if stream is None or len(stream.ranks) != guess:
            return _take(video, packets, indices, taker)
        if take_needed(video, packets, stream, indices, taker):
            return video.tally
    taker.frames.clear()
    return _decode_all(path, limits, indices, taker)


def _held_packets(video: OpenVideo) -> list[Packet] | None:
    """All packets of a file that is small enough to hold; reading it twice would cost more."""
    if video.file_bytes > _HELD_BYTES:
        return None
    most = 2 * video.limits.max_frames  # some packets give no frame: hidden ones, second fields
    packets = list(islice(packets_of(video), most + 1))
    if len(packets) > most:
        raise DecodeError(video.path, "limits", f"over {most} packets for {video.limits.max_frames} frames")
    return packets


def _guess_frame_count(video: OpenVideo, packets: list[Packet] | None) -> int:
    """What the container says, or where it does not count frames, its packets. Reads no picture."""
    declared = video.tally.declared_frames
    if packets is None and not declared:
        with open_video(video.path, video.limits) as again:
            return max(sum(packet.size > 0 and not packet.is_discard for packet in packets_of(again)), 1)
    discarded = sum(packet.size > 0 and packet.is_discard for packet in packets or ())
    return max((declared or sum(packet.size > 0 for packet in packets or ())) - discarded, 1)


def _decode_all(path: Path, limits: DecodeLimits, indices: NDArray[np.int64], taker: Taker) -> DecodeTally:
    with open_video(path, limits) as video:
        return _take(video, packets_of(video), indices, taker)


def _take(
    video: OpenVideo, packets: Iterable[Packet], indices: NDArray[np.int64], taker: Taker
) -> DecodeTally:
    wanted = set(indices.tolist())
    for index, frame in enumerate(decode_in_order(video, packets)):
        if index in wanted:
            taker.take(index, frame)
    return video.tally
