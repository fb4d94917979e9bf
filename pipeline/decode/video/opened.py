"""An open video within its limits, and its packets."""

import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet as AnyPacket
from av.stream import Disposition
from av.video.stream import VideoStream

from pipeline.decode.checks import DecodeError, DecodeLimits, DecodeTally
from pipeline.decode.video.timing import ASSUMED_FPS

Packet: TypeAlias = "AnyPacket[VideoStream]"

_PLAYLISTS = {"concat", "dash", "hls", "imf"}  # formats that are lists of other files


@dataclass
class OpenVideo:
    """An open video, and what has been seen of it so far."""

    path: Path
    limits: DecodeLimits
    file_bytes: int
    container: InputContainer
    stream: VideoStream
    allowed_seconds: float
    deadline: float
    tally: DecodeTally


@contextmanager
def open_video(path: Path, limits: DecodeLimits) -> Iterator[OpenVideo]:
    """Open a video for one pass; raises ``DecodeError``, stage ``open`` or ``limits``."""
    file_bytes = _check_file(path, limits)
    options = {"protocol_whitelist": "file", "max_pixels": str(limits.max_pixels)}
    try:
        container = av.open(str(path.absolute()), options=options, metadata_errors="replace")
    except MemoryError:  # also an FFmpegError in PyAV
        raise
    except (FFmpegError, OSError, ValueError) as error:
        raise DecodeError(path, "open", f"not a readable video: {reason_of(error)}") from None
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
        check_size(path, limits, width, height)
        if tally.declared_frames > limits.max_frames:
            raise DecodeError(path, "limits", f"{tally.declared_frames} frames, over {limits.max_frames}")
        allowed = limits.seconds_for(file_bytes, width * height, _frames_to_expect(tally))
        deadline = time.monotonic() + allowed
        yield OpenVideo(path, limits, file_bytes, container, stream, allowed, deadline, tally)


def packets_of(video: OpenVideo) -> Iterator[Packet]:
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
            video.tally.read_error = reason_of(error)
            return
        check_time(video)
        yield packet


def check_size(path: Path, limits: DecodeLimits, width: int, height: int) -> None:
    """Raises ``DecodeError``, stage ``limits``, for frames that are too large."""
    if width * height > limits.max_pixels:
        raise DecodeError(path, "limits", f"frames of {width}x{height}, over {limits.max_pixels} pixels")


def check_time(video: OpenVideo) -> None:
    """Raises ``DecodeError``, stage ``limits``, when the time of this pass is over."""
    if time.monotonic() > video.deadline:
        raise DecodeError(video.path, "limits", f"takes over {video.allowed_seconds:g} s to decode")


@contextmanager
def within_memory(path: Path) -> Iterator[None]:
    """Memory that cannot be had is a matter of the file, which asks for it."""
    try:
        yield
    except MemoryError:
        raise DecodeError(path, "limits", "needs more memory than it may have") from None


def reason_of(error: Exception) -> str:
    """What an error says."""
    return getattr(error, "strerror", None) or str(error)


def _check_file(path: Path, limits: DecodeLimits) -> int:
    """Size in bytes. Opens nothing: opening a named pipe would wait for its writer."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else reason_of(error)
        raise DecodeError(path, "open", reason) from None
    if not stat.S_ISREG(status.st_mode):
        raise DecodeError(path, "open", "not a file")
    if status.st_size == 0:
        raise DecodeError(path, "open", "the file is empty")
    if status.st_size > limits.max_bytes:
        raise DecodeError(path, "limits", f"{status.st_size} bytes, over {limits.max_bytes}")
    return status.st_size


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
    return tally.declared_seconds * (tally.declared_fps or ASSUMED_FPS)
