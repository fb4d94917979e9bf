"""Video files in and out. The only file that touches PyAV."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av import library_versions
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from hero_core.errors import InputError
from hero_core.storage import atomic_path
from pipeline.decode.checks import DecodeError, DecodeLimits, DecodeTally, check_damage
from pipeline.decode.sampling import SAMPLES, segment_centres
from pipeline.decode.transforms import IMAGE_SIZE, resize_frame

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

Effort = Literal["ultrafast", "veryfast"]
"""How hard x264 works; its own names."""

_RULE = (
    "first video stream that is not a cover picture; frames counted by decoding all in order with one thread; "
    "edit lists applied; rotation metadata {}applied; swscale to rgb24 at the frame's own size"
)

_PLAYLISTS = {"concat", "dash", "hls", "imf"}  # formats that are lists of other files
_ASSUMED_FPS = 25.0  # where neither frames nor container tell
_RATE_TOLERANCE = 0.05  # the container's frame rate may differ so much from the measured one


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


def decode_rule(rotate: bool) -> str:
    """How a file becomes frames, in words: part of the identity of features."""
    return _RULE.format("" if rotate else "not ")


def decoder_versions() -> dict[str, str]:
    """Versions of everything between the file and the pixels."""
    libraries = {name: ".".join(map(str, library_versions[name])) for name in ("libavcodec", "libswscale")}
    return {"av": av.__version__} | libraries


def decode_clip(
    path: Path,
    limits: DecodeLimits | None = None,
    size: int = IMAGE_SIZE,
    samples: int = SAMPLES,
    rotate: bool = False,
) -> DecodedClip:
    """Decode a video once, in order, converting only the sampled frames.

    Which frames to take depends on how many there are, and headers are not to be trusted. So their count is a
    guess: where the true count differs, the video is decoded a second time.

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
    guess = _guess_frame_count(path, limits)
    decoded = _decode_some(path, limits, segment_centres(guess, samples), size, rotate)
    warnings = check_damage(path, decoded.tally, limits)
    frame_count = decoded.tally.frame_count
    indices = segment_centres(frame_count, samples)
    if frame_count != guess:
        decoded = _decode_some(path, limits, indices, size, rotate)
        if decoded.tally.frame_count != frame_count:
            raise DecodeError(path, "decode", "two passes over this video give different frame counts")
    seconds, fps, more_warnings = _timing(decoded.tally)
    if decoded.tally.rotation_degrees and not rotate:
        degrees = decoded.tally.rotation_degrees
        more_warnings.append(
            f"rotation metadata of {degrees} degrees not applied; hero-pipeline extract --rotate applies it"
        )
    if frame_count < samples:
        more_warnings.append(f"{frame_count} frames for {samples} samples: some frames are taken repeatedly")
    return DecodedClip(
        frames=np.stack([decoded.frames[int(index)] for index in indices]),  # (t, size, size, 3)
        indices=indices,
        timestamps_seconds=seconds[indices],
        frame_count=frame_count,
        fps=fps,
        warnings=warnings + tuple(more_warnings),
    )


def read_frames(
    path: Path, limits: DecodeLimits | None = None, rotate: bool = True
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Every frame with its time in seconds since the first one, as uint8 RGB ``(h, w, 3)`` of its own size.

    Frames that do not decode are passed over and rotation metadata is applied, as a player does; ``decode_clip`` is
    the judge of damage.

    Raises:
        DecodeError: no readable video in the file, no frame decodes, or over the limits.
    """
    limits = limits or DecodeLimits()
    reformatter = VideoReformatter()
    with _open(path, limits) as video:
        seconds = 0.0
        for index, frame in enumerate(_decode_in_order(video)):
            first, now = video.tally.times_seconds[0], video.tally.times_seconds[-1]
            if first is None or now is None:
                seconds = index / (video.tally.declared_fps or _ASSUMED_FPS)
            else:
                seconds = max(seconds, now - first)  # AVI gives frames of one group times out of order
            yield seconds, _to_rgb(frame, reformatter, rotate)
        if video.tally.frame_count == 0:
            check_damage(path, video.tally, limits)


def write_mp4(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: Fraction | float,
    crf: int = 20,
    effort: Effort = "veryfast",
) -> None:
    """Write uint8 RGB frames ``(h, w, 3)``, all of one size, as H.264 yuv420p (MPEG-4 where x264 is absent).

    With less ``effort`` the same quality ``crf`` takes less time and larger files.

    The same frames give the same bytes (with the same PyAV). An odd height or width is filled up by repeating the
    last row or column, since yuv420p needs even ones. The file appears complete or not at all.

    Raises:
        InputError: no frames, frames of different shapes, or an impossible frame rate.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise InputError(f"{path}: cannot write a video at {fps} frames per second")
    rate = Fraction(fps).limit_denominator(1001)
    with atomic_path(path) as temporary:
        _encode(temporary, _of_one_shape(path, frames), rate, crf, effort)


@dataclass
class _Video:
    """An open video, and what has been seen of it so far."""

    path: Path
    limits: DecodeLimits
    container: InputContainer
    stream: VideoStream
    deadline: float
    tally: DecodeTally


@dataclass
class _Decoded:
    """One pass over a video: the frames asked for, as far as they exist."""

    tally: DecodeTally
    frames: dict[int, NDArray[np.uint8]] = field(default_factory=dict)


def _guess_frame_count(path: Path, limits: DecodeLimits) -> int:
    """What the container says, or where it does not count frames, its packets. Reads no picture."""
    with _open(path, limits) as video:
        if video.tally.declared_frames:
            return video.tally.declared_frames
        packets = sum(1 for packet in _packets(video) if packet.size and not packet.is_discard)
    return max(packets, 1)


def _decode_some(
    path: Path, limits: DecodeLimits, indices: NDArray[np.int64], size: int, rotate: bool
) -> _Decoded:
    wanted = set(indices.tolist())
    reformatter = VideoReformatter()  # one for all: a new one builds its tables anew for every frame
    with _open(path, limits) as video:
        decoded = _Decoded(video.tally)
        for index, frame in enumerate(_decode_in_order(video)):
            if index in wanted:
                decoded.frames[index] = resize_frame(_to_rgb(frame, reformatter, rotate), size)
    return decoded


@contextmanager
def _open(path: Path, limits: DecodeLimits) -> Iterator[_Video]:
    _check_file(path, limits)
    options = {"protocol_whitelist": "file", "max_pixels": str(limits.max_pixels)}
    try:
        container = av.open(str(path.absolute()), options=options, metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        raise DecodeError(path, "open", f"not a readable video: {_reason(error)}") from None
    with container:
        if set(container.format.name.split(",")) & _PLAYLISTS:
            raise DecodeError(path, "open", f"a {container.format.name} playlist, not a video")
        stream = _first_video_stream(path, container)
        stream.thread_type = "NONE"  # processes beat threads, and frame threads can deadlock on damage
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
        tally = DecodeTally(
            declared_frames=max(stream.frames, 0),
            declared_seconds=_declared_seconds(container, stream),
            declared_fps=float(stream.average_rate) if stream.average_rate else None,
        )
        _check_size(path, limits, stream.codec_context.width, stream.codec_context.height)
        if tally.declared_frames > limits.max_frames:
            raise DecodeError(path, "limits", f"{tally.declared_frames} frames, over {limits.max_frames}")
        yield _Video(path, limits, container, stream, time.monotonic() + limits.max_seconds, tally)


def _check_file(path: Path, limits: DecodeLimits) -> None:
    if not path.is_file():
        raise DecodeError(path, "open", "not a file" if path.exists() else "no such file")
    if (size := path.stat().st_size) == 0:
        raise DecodeError(path, "open", "the file is empty")
    if size > limits.max_bytes:
        raise DecodeError(path, "limits", f"{size} bytes, over {limits.max_bytes}")


def _check_size(path: Path, limits: DecodeLimits, width: int, height: int) -> None:
    if width * height > limits.max_pixels:
        raise DecodeError(path, "limits", f"frames of {width}x{height}, over {limits.max_pixels} pixels")


def _first_video_stream(path: Path, container: InputContainer) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                raise DecodeError(path, "open", "no decoder for its video stream")
            return stream
    raise DecodeError(path, "open", "no video stream")


def _declared_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """Stated duration of the video stream; the container's only where no other stream can be longer."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if tag := stream.metadata.get("DURATION"):  # Matroska: hours:minutes:seconds
        hours, _, rest = tag.partition(":")
        minutes, _, seconds = rest.partition(":")
        try:
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        except ValueError:
            return None
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base
    return None


def _packets(video: _Video) -> Iterator["Packet[VideoStream]"]:
    """Packets of the video stream; a read error ends them and is noted."""
    packets = video.container.demux(video.stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (FFmpegError, OSError) as error:
            video.tally.read_error = _reason(error)
            return
        if time.monotonic() > video.deadline:
            raise DecodeError(video.path, "limits", f"takes over {video.limits.max_seconds} s to decode")
        yield packet


def _decode_in_order(video: _Video) -> Iterator[VideoFrame]:
    """Every frame that decodes, in display order, keeping the tally."""
    tally = video.tally
    for packet in _packets(video):
        tally.discarded_packets += bool(packet.size) and packet.is_discard
        tally.corrupt_packets += packet.is_corrupt
        for frame in _decode_packet(packet, tally):
            if tally.frame_count >= video.limits.max_frames:
                raise DecodeError(video.path, "limits", f"over {video.limits.max_frames} frames")
            _check_size(video.path, video.limits, frame.width, frame.height)
            tally.corrupt_frames += frame.is_corrupt
            tally.sizes.add((frame.width, frame.height))
            tally.rotation_degrees = frame.rotation
            tally.times_seconds.append(frame.time)
            tally.last_frame_seconds = _shown_seconds(frame, tally.declared_fps)
            yield frame


def _decode_packet(packet: "Packet[VideoStream]", tally: DecodeTally) -> Sequence[VideoFrame]:
    try:
        return [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]
    except EOFError:  # the decoder has been emptied already
        return []
    except (FFmpegError, OSError, ValueError):
        tally.failed_packets += 1
        return []


def _shown_seconds(frame: VideoFrame, fps: float | None) -> float:
    if frame.duration and frame.time_base:
        return float(frame.duration * frame.time_base)
    return 1 / fps if fps else 0.0


def _to_rgb(frame: VideoFrame, reformatter: VideoReformatter, rotate: bool) -> NDArray[np.uint8]:
    rgb = np.asarray(
        reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray(), np.uint8
    )  # (h, w, 3)
    quarter_turns = round(frame.rotation / 90) if rotate else 0  # counterclockwise
    return np.ascontiguousarray(np.rot90(rgb, quarter_turns)) if quarter_turns else rgb


def _timing(tally: DecodeTally) -> tuple[NDArray[np.float64], float, list[str]]:
    """Seconds of every frame since the first one, the average frame rate, and warnings about both."""
    count, declared = tally.frame_count, tally.declared_fps
    times = np.array(tally.times_seconds, dtype=np.float64)  # None becomes NaN
    if not np.isfinite(times).all() or (np.diff(times) < 0).any():
        fps = declared or _ASSUMED_FPS
        return np.arange(count) / fps, fps, [f"no usable frame times: {fps:g} frames per second assumed"]
    times -= times[0]
    if times[-1] <= 0:
        return times, declared or _ASSUMED_FPS, []
    measured = float((count - 1) / times[-1])
    if declared and abs(declared - measured) <= _RATE_TOLERANCE * measured:
        return times, declared, []
    stated = f"{declared:g}" if declared else "no"
    return times, measured, [f"container states {stated} frames per second, frames come at {measured:.2f}"]


def _of_one_shape(path: Path, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    shape: tuple[int, ...] | None = None
    for frame in frames:
        shape = shape or frame.shape
        if frame.dtype != np.uint8 or frame.shape != shape or frame.ndim != 3 or frame.shape[-1] != 3:
            raise InputError(f"{path}: expected uint8 frames {shape}, got {frame.dtype} {frame.shape}")
        height, width, _ = frame.shape
        yield np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    if shape is None:
        raise InputError(f"{path}: no frames to write")


def _encode(
    path: Path, frames: Iterator[NDArray[np.uint8]], rate: Fraction, crf: int, effort: Effort
) -> None:
    """One thread, no macroblock tree and no time of writing in the file: the same frames give the same bytes."""
    x264 = "libx264" in av.codecs_available
    options = {"crf": str(crf), "preset": effort, "x264-params": "mbtree=0"} if x264 else {"qscale": "3"}
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264" if x264 else "mpeg4", rate=rate, options=options)
        stream.codec_context.thread_count = 1
        stream.pix_fmt = "yuv420p"
        for index, array in enumerate(frames):
            if index == 0:
                stream.height, stream.width = array.shape[:2]
            frame = VideoFrame.from_ndarray(array, format="rgb24")
            frame.pts = index
            frame.time_base = 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
