"""H.264 pictures that need not be decoded."""

from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from pipeline.decode import h264
from pipeline.decode.video.frames import decode_in_order, shown_seconds
from pipeline.decode.video.opened import OpenVideo, Packet
from pipeline.decode.video.taker import Taker


def plain_stream(video: OpenVideo, packets: list[Packet]) -> h264.PlainStream | None:
    """The one rule for when packets may stay undecoded: only where nothing can hinge on it but damage in them.

    That is H.264 as mp4 and Matroska carry it, read to the end without a complaint, with a time for every picture,
    nothing left out by an edit list, one set of parameters, whole frames, no reference missing, and a display order on
    which picture headers and times agree and that the decoder is ready for from the start. Streams without B-frames
    have next to nothing to leave out. See also :func:`take_needed`.
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


def take_needed(
    video: OpenVideo,
    packets: list[Packet],
    stream: h264.PlainStream,
    indices: NDArray[np.int64],
    taker: Taker,
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
    for index, frame in enumerate(decode_in_order(video, [*sent, flush])):
        if index >= len(ranks) or frame.pts != shown[ranks[index]].pts:
            return False
        if ranks[index] in wanted:
            taker.take(ranks[index], frame)
    if tally.frame_count < len(ranks) or tally.corrupt_frames or tally.failed_packets or len(tally.sizes) > 1:
        return False
    tally.times_seconds = [float((picture.pts or 0) * picture.time_base) for picture in shown]
    tally.last_frame_seconds = shown_seconds(shown[-1], tally.declared_fps)
    return True
