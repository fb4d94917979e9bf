"""Decoding in processes, in order, a bounded number of clips ahead of whoever encodes them.

Kept free of torch: every worker imports this file, and should start at once.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext

from hero_core.errors import HeroError
from hero_core.files import sha256_of_file
from pipeline.decode import DecodedClip, DecodeError, DecodeLimits, decode_clip
from pipeline.sources import SourceVideo

CLIPS_AHEAD_PER_WORKER = 4


@dataclass(frozen=True)
class Decoded:
    """What a decoding process sends back: a clip, or the stage and reason why there is none."""

    video: SourceVideo
    sha256: str | None
    bytes: int | None
    clip: DecodedClip | None = None
    stage: str | None = None
    reason: str | None = None


def decode_ahead(
    videos: Sequence[SourceVideo], size: int, samples: int, limits: DecodeLimits, workers: int
) -> Iterator[Decoded]:
    """Decode ``videos`` in order, ``size`` x ``size`` pixels, ``samples`` frames each.

    Raises:
        HeroError: a worker process died.
    """
    if not videos:
        return
    decode = partial(decode_one, size=size, samples=samples, limits=limits)
    waiting: deque[Future[Decoded]] = deque()
    remaining = iter(videos)
    with ProcessPoolExecutor(min(workers, len(videos)), _process_context()) as pool:
        for _ in range(workers * CLIPS_AHEAD_PER_WORKER):
            _submit_next(pool, decode, remaining, waiting)
        try:
            while waiting:
                yield waiting.popleft().result()
                _submit_next(pool, decode, remaining, waiting)
        except BrokenProcessPool:
            raise HeroError(
                "a decoding process died; run the same command again, it goes on from here"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _process_context() -> BaseContext:
    """Workers that hold none of torch's threads, since forking those can deadlock."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _submit_next(
    pool: ProcessPoolExecutor,
    decode: Callable[[SourceVideo], Decoded],
    remaining: Iterator[SourceVideo],
    waiting: deque[Future[Decoded]],
) -> None:
    video = next(remaining, None)
    if video is not None:
        waiting.append(pool.submit(decode, video))


def decode_one(video: SourceVideo, size: int, samples: int, limits: DecodeLimits) -> Decoded:
    """Decode one video; a failure is a value, not an exception."""
    try:
        sha256, size_bytes = sha256_of_file(video.path), video.path.stat().st_size
    except OSError as error:
        return Decoded(video, None, None, stage="open", reason=error.strerror or type(error).__name__)
    try:
        clip = decode_clip(video.path, limits, size, samples)
    except DecodeError as error:
        return Decoded(video, sha256, size_bytes, stage=error.stage, reason=error.reason)
    return Decoded(video, sha256, size_bytes, clip)
