"""Video files in and out. The only file that touches PyAV."""

import math
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Literal, TypeAlias

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
from pipeline.decode import h264
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

_Packet: TypeAlias = "Packet[VideoStream]"

Effort = Literal["ultrafast", "veryfast"]
"""How hard x264 works; its own names."""

_RULE = (
    "first video stream that is not a cover picture; all frames decoded in order with one thread and so counted, but "
    "in sound H.264 with B-frames in mp4 or Matroska packets are counted, and pictures neither taken nor referred to "
    "are not decoded nor checked for damage; edit lists applied; rotation metadata {}applied; swscale to rgb24 at the "
    "frame's own size, BT.601 where it does not know the tagged matrix"
)

_HELD_BYTES = 64_000_000  # so many of a video are read before the first is decoded
_UNTAGGED = 2  # of the three colour tags, in ITU-T H.273
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
    taker = _Taker(path, size, rotate)
    with _within_memory(path):
        tally = _decode_guessing(path, limits, samples, taker)
        warnings = list(check_damage(path, tally, limits))
        frame_count = tally.frame_count
        indices = segment_centres(frame_count, samples)
        if not taker.has(indices):
            tally = _decode_all(path, limits, indices, taker)
    if tally.frame_count != frame_count:
        raise DecodeError(path, "decode", "two passes over this video give different frame counts")
    seconds, fps, more_warnings = _timing(tally)
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


def read_frames(
    path: Path, limits: DecodeLimits | None = None, rotate: bool = True
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Every frame with its time in seconds since the first one, as uint8 RGB ``(h, w, 3)`` of its own size.

    Frames that do not decode are passed over and rotation metadata is applied, as a player does; ``decode_clip`` is
    the judge of damage.

    Raises:
        DecodeError: no readable video in the file, no frame decodes or is of a kind that has no RGB, or over the
            limits.
    """
    limits = limits or DecodeLimits()
    to_rgb = _RgbConverter(path, rotate)
    with _within_memory(path), _open(path, limits) as video:
        seconds = 0.0
        for index, frame in enumerate(_decode_in_order(video, _packets(video))):
            first, now = video.tally.times_seconds[0], video.tally.times_seconds[-1]
            if first is None or now is None:
                seconds = index / (video.tally.declared_fps or _ASSUMED_FPS)
            else:
                seconds = max(seconds, now - first)  # AVI gives frames of one group times out of order
            yield seconds, to_rgb(frame)
        if video.tally.frame_count == 0:
            check_damage(path, video.tally, limits)


def write_mp4(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: Fraction | float,
    crf: int = 20,
    effort: Effort = "veryfast",
    keyframe_every: int | None = None,
) -> None:
    """Write uint8 RGB frames ``(h, w, 3)``, all of one size, as H.264 yuv420p (MPEG-4 where x264 is absent).

    With less ``effort`` the same quality ``crf`` takes less time and larger files. Players seek the quicker the more
    often there is a key frame; by default x264 decides.

    The same frames give the same bytes (with the same PyAV). An odd height or width is filled up by repeating the
    last row or column, since yuv420p needs even ones. The file appears complete or not at all.

    Raises:
        InputError: no frames, frames of different shapes, or an impossible frame rate.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise InputError(f"{path}: cannot write a video at {fps} frames per second")
    rate = Fraction(fps).limit_denominator(1001)
    with atomic_path(path) as temporary:
        _encode(temporary, _of_one_shape(path, frames), rate, crf, effort, keyframe_every)


@dataclass
class _Video:
    """An open video, and what has been seen of it so far."""

    path: Path
    limits: DecodeLimits
    file_bytes: int
    container: InputContainer
    stream: VideoStream
    allowed_seconds: float
    deadline: float
    tally: DecodeTally


class _RgbConverter:
    """Decoded frames to uint8 RGB ``(h, w, 3)``, with a warning where a file's colour tags have to be left aside."""

    def __init__(self, path: Path, rotate: bool) -> None:
        self._path, self._rotate = path, rotate
        self._reformatter = VideoReformatter()  # a new one would build its tables anew for every frame
        self.warnings: list[str] = []

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Raises ``DecodeError``, stage ``decode``, for a frame that swscale refuses."""
        try:
            try:
                rgb = self._reformat(frame)
            except MemoryError:  # also an FFmpegError in PyAV
                raise
            except (FFmpegError, OSError, ValueError):
                self._untag(frame)
                rgb = self._reformat(frame)
        except MemoryError:  # also an FFmpegError in PyAV
            raise
        except (FFmpegError, OSError, ValueError) as error:
            reason = f"frames of format {frame.format.name} cannot become RGB: {_reason(error)}"
            raise DecodeError(self._path, "decode", reason) from None
        quarter_turns = round(frame.rotation / 90) if self._rotate else 0  # counterclockwise
        return np.ascontiguousarray(np.rot90(rgb, quarter_turns)) if quarter_turns else rgb

    def _reformat(self, frame: VideoFrame) -> NDArray[np.uint8]:
        rgb = self._reformatter.reformat(frame, format="rgb24", threads=1)
        return np.asarray(rgb.to_ndarray(), np.uint8)  # (h, w, 3)

    def _untag(self, frame: VideoFrame) -> None:
        warning = (
            f"colour tags that swscale does not convert (matrix {frame.colorspace}, transfer {frame.color_trc}, "
            f"primaries {frame.color_primaries} of ITU-T H.273): BT.601 assumed, as for a file without tags"
        )
        if warning not in self.warnings:
            self.warnings.append(warning)
        frame.colorspace = frame.color_trc = frame.color_primaries = _UNTAGGED


class _Taker:
    """Keeps the frames that were asked for, as squares ``(size, size, 3)``, by their indices."""

    def __init__(self, path: Path, size: int, rotate: bool) -> None:
        self._size, self.to_rgb = size, _RgbConverter(path, rotate)
        self.frames: dict[int, NDArray[np.uint8]] = {}

    def take(self, index: int, frame: VideoFrame) -> None:
        self.frames[index] = resize_frame(self.to_rgb(frame), self._size)

    def has(self, indices: NDArray[np.int64]) -> bool:
        return self.frames.keys() >= set(indices.tolist())


def _decode_guessing(path: Path, limits: DecodeLimits, samples: int, taker: _Taker) -> DecodeTally:
    """First pass: take the frames that are sampled if there are as many frames as it seems."""
    with _open(path, limits) as video:
        packets = _held_packets(video)
        guess = _guess_frame_count(video, packets)
        indices = segment_centres(guess, samples)
        if packets is None:
            return _take(video, _packets(video), indices, taker)
        stream = _plain_stream(video, packets)
        if stream is None or len(stream.ranks) != guess:
            return _take(video, packets, indices, taker)
        if _take_needed(video, packets, stream, indices, taker):
            return video.tally
    taker.frames.clear()
    return _decode_all(path, limits, indices, taker)


def _held_packets(video: _Video) -> list[_Packet] | None:
    """All packets of a file that is small enough to hold; reading it twice would cost more."""
    if video.file_bytes > _HELD_BYTES:
        return None
    most = 2 * video.limits.max_frames  # some packets give no frame: hidden ones, second fields
    packets = list(islice(_packets(video), most + 1))
    if len(packets) > most:
        raise DecodeError(video.path, "limits", f"over {most} packets for {video.limits.max_frames} frames")
    return packets


def _guess_frame_count(video: _Video, packets: list[_Packet] | None) -> int:
    """What the container says, or where it does not count frames, its packets. Reads no picture."""
    declared = video.tally.declared_frames
    if packets is None and not declared:
        with _open(video.path, video.limits) as again:
            return max(sum(packet.size > 0 and not packet.is_discard for packet in _packets(again)), 1)
    discarded = sum(packet.size > 0 and packet.is_discard for packet in packets or ())
    return max((declared or sum(packet.size > 0 for packet in packets or ())) - discarded, 1)


def _decode_all(path: Path, limits: DecodeLimits, indices: NDArray[np.int64], taker: _Taker) -> DecodeTally:
    with _open(path, limits) as video:
        return _take(video, _packets(video), indices, taker)


def _take(
    video: _Video, packets: Iterable[_Packet], indices: NDArray[np.int64], taker: _Taker
) -> DecodeTally:
    wanted = set(indices.tolist())
    for index, frame in enumerate(_decode_in_order(video, packets)):
        if index in wanted:
            taker.take(index, frame)
    return video.tally


def _plain_stream(video: _Video, packets: list[_Packet]) -> h264.PlainStream | None:
    """The one rule for when packets may stay undecoded: only where nothing can hinge on it but damage in them.

    That is H.264 as mp4 and Matroska carry it, read to the end without a complaint, with a time for every picture,
    nothing left out by an edit list, one set of parameters, whole frames, no reference missing, and a display order on
    which picture headers and times agree and that the decoder is ready for from the start. Streams without B-frames
    have next to nothing to leave out. See also :func:`_take_needed`.
    """
    context, limits, tally = video.stream.codec_context, video.limits, video.tally
    if context.codec.canonical_name != "h264" or not context.reorder_depth:
        return None
    if not packets or packets[-1].size or tally.read_error:
        return None
    pictures = packets[:-1]
    if len(pictures) > limits.max_frames or tally.declared_frames not in (0, len(pictures)):
        return None
    times = [picture.pts for picture in pictures if picture.pts is not None]
    odd = any(p.is_discard or p.is_corrupt or not p.size or p.has_sidedata("new_extradata") for p in pictures)
    if odd or len(times) != len(pictures):
        return None
    stream = h264.read_stream(context.extradata or b"", [bytes(packet) for packet in pictures], times)
    return stream if stream and stream.reorder_depth <= context.reorder_depth else None


def _take_needed(
    video: _Video,
    packets: list[_Packet],
    stream: h264.PlainStream,
    indices: NDArray[np.int64],
    taker: _Taker,
) -> bool:
    """Decode without the pictures that are neither taken nor needed by others; times come from the packets.

    False unless every packet sent gives its one frame, whole, in its place and of one size; everything has to be
    decoded then.
    """
    *pictures, flush = packets
    wanted = set(indices.tolist())
    is_needed = [
        not droppable or rank in wanted
        for droppable, rank in zip(stream.droppable, stream.ranks, strict=True)
    ]
    sent = [picture for picture, needed in zip(pictures, is_needed, strict=True) if needed]
    ranks = sorted(rank for rank, needed in zip(stream.ranks, is_needed, strict=True) if needed)
    shown = [picture for _, picture in sorted(zip(stream.ranks, pictures, strict=True), key=itemgetter(0))]
    tally = video.tally
    for index, frame in enumerate(_decode_in_order(video, [*sent, flush])):
        if index >= len(ranks) or frame.pts != shown[ranks[index]].pts:
            return False
        if ranks[index] in wanted:
            taker.take(ranks[index], frame)
    if tally.frame_count < len(ranks) or tally.corrupt_frames or tally.failed_packets or len(tally.sizes) > 1:
        return False
    tally.times_seconds = [float((picture.pts or 0) * picture.time_base) for picture in shown]
    tally.last_frame_seconds = _shown_seconds(shown[-1], tally.declared_fps)
    return True


@contextmanager
def _within_memory(path: Path) -> Iterator[None]:
    """Memory that cannot be had is a matter of the file, which asks for it."""
    try:
        yield
    except MemoryError:
        raise DecodeError(path, "limits", "needs more memory than it may have") from None


@contextmanager
def _open(path: Path, limits: DecodeLimits) -> Iterator[_Video]:
    file_bytes = _check_file(path, limits)
    options = {"protocol_whitelist": "file", "max_pixels": str(limits.max_pixels)}
    try:
        container = av.open(str(path.absolute()), options=options, metadata_errors="replace")
    except MemoryError:  # also an FFmpegError in PyAV
        raise
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
        width, height = stream.codec_context.width, stream.codec_context.height
        _check_size(path, limits, width, height)
        if tally.declared_frames > limits.max_frames:
            raise DecodeError(path, "limits", f"{tally.declared_frames} frames, over {limits.max_frames}")
        allowed = limits.seconds_for(file_bytes, width * height, _frames_to_expect(tally))
        deadline = time.monotonic() + allowed
        yield _Video(path, limits, file_bytes, container, stream, allowed, deadline, tally)


def _check_file(path: Path, limits: DecodeLimits) -> int:
    """Size in bytes. Opens nothing: opening a named pipe would wait for its writer."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else _reason(error)
        raise DecodeError(path, "open", reason) from None
    if not stat.S_ISREG(status.st_mode):
        raise DecodeError(path, "open", "not a file")
    if status.st_size == 0:
        raise DecodeError(path, "open", "the file is empty")
    if status.st_size > limits.max_bytes:
        raise DecodeError(path, "limits", f"{status.st_size} bytes, over {limits.max_bytes}")
    return status.st_size


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


def _frames_to_expect(tally: DecodeTally) -> float | None:
    """As the container declares them, by count or by length; ``None`` where it does neither."""
    if tally.declared_frames:
        return tally.declared_frames
    if tally.declared_seconds is None:
        return None
    return tally.declared_seconds * (tally.declared_fps or _ASSUMED_FPS)


def _packets(video: _Video) -> Iterator[_Packet]:
    """Packets of the video stream, the last of them empty; a read error ends them and is noted."""
    packets = video.container.demux(video.stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, IndexError):  # the latter after all packets, where a stream began in mid-file
            return
        except MemoryError:  # also an FFmpegError in PyAV
            raise
        except (FFmpegError, OSError) as error:
            video.tally.read_error = _reason(error)
            return
        _check_time(video)
        yield packet


def _decode_in_order(video: _Video, packets: Iterable[_Packet]) -> Iterator[VideoFrame]:
    """Every frame that decodes, in display order, keeping the tally."""
    tally = video.tally
    frame = None
    for packet in packets:
        _check_time(video)
        tally.discarded_packets += bool(packet.size) and packet.is_discard
        tally.corrupt_packets += packet.is_corrupt
        for frame in _decode_packet(packet, tally):
            if tally.frame_count >= video.limits.max_frames:
                raise DecodeError(video.path, "limits", f"over {video.limits.max_frames} frames")
            size = (frame.width, frame.height)
            if size not in tally.sizes:
                _check_size(video.path, video.limits, *size)
                tally.sizes.add(size)
            tally.corrupt_frames += frame.is_corrupt
            tally.rotation_degrees = frame.rotation
            tally.times_seconds.append(frame.time)
            yield frame
    if frame is not None:
        tally.last_frame_seconds = _shown_seconds(frame, tally.declared_fps)


def _check_time(video: _Video) -> None:
    if time.monotonic() > video.deadline:
        raise DecodeError(video.path, "limits", f"takes over {video.allowed_seconds:g} s to decode")


def _decode_packet(packet: _Packet, tally: DecodeTally) -> Sequence[VideoFrame]:
    try:
        return [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]
    except EOFError:  # the decoder has been emptied already
        return []
    except MemoryError:  # also an FFmpegError in PyAV
        raise
    except (FFmpegError, OSError, ValueError):
        tally.failed_packets += 1
        return []


def _shown_seconds(last: "VideoFrame | _Packet", fps: float | None) -> float:
    if last.duration and last.time_base:
        return float(last.duration * last.time_base)
    return 1 / fps if fps else 0.0


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
    path: Path,
    frames: Iterator[NDArray[np.uint8]],
    rate: Fraction,
    crf: int,
    effort: Effort,
    keyframe_every: int | None,
) -> None:
    """One thread, no macroblock tree and no time of writing in the file: the same frames give the same bytes."""
    x264 = "libx264" in av.codecs_available
    options = {"crf": str(crf), "preset": effort, "x264-params": "mbtree=0"} if x264 else {"qscale": "3"}
    options |= {} if keyframe_every is None else {"g": str(keyframe_every)}
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
