"""Packets to frames, in display order."""

from collections.abc import Iterable, Iterator, Sequence

from av.error import FFmpegError
from av.video.frame import VideoFrame

from pipeline.decode.checks import DecodeError, DecodeTally
from pipeline.decode.video.opened import OpenVideo, Packet, check_size, check_time


def decode_in_order(video: OpenVideo, packets: Iterable[Packet]) -> Iterator[VideoFrame]:
    """Every frame that decodes, in display order, keeping the tally."""
    tally = video.tally
    frame = None
    for packet in packets:
        check_time(video)
        tally.discarded_packets += bool(packet.size) and packet.is_discard
        tally.corrupt_packets += packet.is_corrupt
        for frame in _decode_packet(packet, tally):
            if tally.frame_count >= video.limits.max_frames:
                raise DecodeError(video.path, "limits", f"over {video.limits.max_frames} frames")
            size = (frame.width, frame.height)
            if size not in tally.sizes:
                check_size(video.path, video.limits, *size)
                tally.sizes.add(size)
            tally.corrupt_frames += frame.is_corrupt
            tally.rotation_degrees = frame.rotation
            tally.times_seconds.append(frame.time)
            yield frame
    if frame is not None:
        tally.last_frame_seconds = shown_seconds(frame, tally.declared_fps)


def shown_seconds(last: "VideoFrame | Packet", fps: float | None) -> float:
    """How long the last frame is shown."""
    if last.duration and last.time_base:
        return float(last.duration * last.time_base)
    return 1 / fps if fps else 0.0


def _decode_packet(packet: Packet, tally: DecodeTally) -> Sequence[VideoFrame]:
    try:
        return [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]
    except EOFError:  # the decoder has been emptied already
        return []
    except MemoryError:  # also an FFmpegError in PyAV
        raise
    except (FFmpegError, OSError, ValueError):
        tally.failed_packets += 1
        return []
