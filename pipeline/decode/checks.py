"""When is a decoded video good enough? Limits, what was seen while decoding, and the verdict on both."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field, PositiveFloat, PositiveInt

from hero_core.config import Config
from hero_core.errors import HeroError


class DecodeLimits(Config):
    """What one video may cost, and how much damage is tolerated.

    Attributes:
        max_pixels: largest frame, width x height.
        max_frames: longest video.
        max_bytes: largest file.
        max_seconds: wall time for one pass over one video, whatever it declares.
        base_seconds: wall time for one pass that every video may take; more is granted by what it declares, as much
            as the smaller of the two that follow, so that neither a huge frame nor a long list of empty ones buys
            time alone.
        seconds_per_megapixel_frame: for every frame of a million pixels that the container declares. A sound video
            needs about 0.003 s.
        seconds_per_megabyte: for every 1,000,000 bytes of the file. A sound video needs about 0.3 s, more where
            pictures hardly change.
        min_decoded_share: smallest part of the promised frames (or of the promised duration, where a container
            does not count frames) that must decode.
        max_damaged_share: largest part of the frames that may be damaged or fail to decode.
        tolerated_frames: so many missing or damaged frames never fail a video, however short it is.
    """

    max_pixels: PositiveInt = 36_000_000
    max_frames: PositiveInt = 36_000
    max_bytes: PositiveInt = 4 * 1024**3
    max_seconds: PositiveFloat = 300.0
    base_seconds: PositiveFloat = 20.0
    seconds_per_megapixel_frame: float = Field(default=0.03, ge=0)
    seconds_per_megabyte: float = Field(default=10.0, ge=0)
    min_decoded_share: float = Field(default=0.9, ge=0, le=1)
    max_damaged_share: float = Field(default=0.05, ge=0, le=1)
    tolerated_frames: int = Field(default=2, ge=0)

    def seconds_for(self, file_bytes: int, frame_pixels: int, declared_frames: float | None) -> float:
        """Wall time for one pass over a file; ``declared_frames`` is None where the container does not tell."""
        granted = self.seconds_per_megabyte * file_bytes / 1e6
        if declared_frames is not None:
            by_frames = self.seconds_per_megapixel_frame * declared_frames * frame_pixels / 1e6
            granted = min(granted, by_frames)
        return min(self.max_seconds, self.base_seconds + granted)

    def kill_seconds(self, file_bytes: int) -> float:
        """Wall time after which a process that reads a file of this size is killed, whatever the file declares.

        Above what the decoder allows itself: two passes, and time to read the file for its hash.
        """
        return 2 * self.seconds_for(file_bytes, 0, None) + 30


class DecodeError(HeroError):
    """A video that cannot be used.

    Attributes:
        path: the video.
        stage: ``open`` (no readable video in it), ``decode`` (read, but damaged) or ``limits`` (too large).
        reason: one line.
    """

    def __init__(self, path: Path, stage: str, reason: str) -> None:
        super().__init__(path, stage, reason)  # all of them, so that the error can cross a process border
        self.path = path
        self.stage = stage
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass
class DecodeTally:
    """What was seen while one video was decoded in order.

    Attributes:
        declared_frames: frames the container counts; 0 where it does not.
        declared_seconds: duration the container states for the video stream; ``None`` where it does not.
        declared_fps: rate the container states.
        discarded_packets: packets an edit list leaves out, which are decoded and not shown.
        failed_packets: packets the decoder refused.
        times_seconds: display time of every decoded frame, ``None`` where the stream has none.
        last_frame_seconds: how long the last frame is shown.
    """

    declared_frames: int = 0
    declared_seconds: float | None = None
    declared_fps: float | None = None
    discarded_packets: int = 0
    failed_packets: int = 0
    corrupt_packets: int = 0
    corrupt_frames: int = 0
    read_error: str | None = None
    rotation_degrees: int = 0
    sizes: set[tuple[int, int]] = field(default_factory=set)
    times_seconds: list[float | None] = field(default_factory=list)
    last_frame_seconds: float = 0.0

    @property
    def frame_count(self) -> int:
        """Frames that decoded."""
        return len(self.times_seconds)

    @property
    def promised_frames(self) -> int:
        """Frames that should have decoded, as far as the container says; 0 where it does not."""
        return max(self.declared_frames - self.discarded_packets, 0)

    @property
    def shown_seconds(self) -> float | None:
        """From the first frame to the end of the last one; ``None`` where frames carry no times."""
        times = self.times_seconds
        if not times or times[0] is None or times[-1] is None:
            return None
        return times[-1] - times[0] + self.last_frame_seconds


def check_damage(path: Path, tally: DecodeTally, limits: DecodeLimits) -> tuple[str, ...]:
    """Accept a decoded video, with a line for everything that was not as it should be, or refuse it.

    Raises:
        DecodeError: stage ``decode``: no frames, too few of the promised ones, or too many damaged.
    """
    if tally.frame_count == 0:
        raise DecodeError(path, "decode", f"no frame decodes{_because(tally)}")
    warnings = [*_missing_frames(path, tally, limits), *_damaged_frames(path, tally, limits)]
    if tally.read_error:
        warnings.append(f"reading stopped early: {tally.read_error}")
    if len(tally.sizes) > 1:
        sizes = ", ".join(f"{width}x{height}" for width, height in sorted(tally.sizes))
        warnings.append(f"frame size changes in mid-stream ({sizes}): each frame resized by itself")
    return tuple(warnings)


def _missing_frames(path: Path, tally: DecodeTally, limits: DecodeLimits) -> list[str]:
    promised, decoded = tally.promised_frames, tally.frame_count
    if promised:
        missing = promised - decoded
        if missing <= 0:
            return []
        reason = f"{decoded} of {promised} promised frames decode{_because(tally)}"
        if missing > limits.tolerated_frames and decoded < limits.min_decoded_share * promised:
            raise DecodeError(path, "decode", reason)
        return [reason]
    return _missing_seconds(path, tally, limits)


def _missing_seconds(path: Path, tally: DecodeTally, limits: DecodeLimits) -> list[str]:
    promised, shown = tally.declared_seconds, tally.shown_seconds
    if not promised or shown is None:
        return []
    frame_seconds = shown / tally.frame_count
    missing = promised - shown
    if missing < 1.5 * frame_seconds:  # containers round durations
        return []
    reason = f"frames fill {shown:.2f} of {promised:.2f} promised seconds{_because(tally)}"
    if missing > limits.tolerated_frames * frame_seconds and shown < limits.min_decoded_share * promised:
        raise DecodeError(path, "decode", reason)
    return [reason]


def _damaged_frames(path: Path, tally: DecodeTally, limits: DecodeLimits) -> list[str]:
    damaged = tally.corrupt_frames + tally.failed_packets
    seen = tally.frame_count + tally.failed_packets
    if damaged > limits.tolerated_frames and damaged > limits.max_damaged_share * seen:
        raise DecodeError(path, "decode", f"{damaged} of {seen} frames are damaged or do not decode")
    warnings = []
    if tally.corrupt_frames:
        warnings.append(f"{tally.corrupt_frames} frames are damaged")
    if tally.failed_packets:
        warnings.append(f"{tally.failed_packets} packets do not decode")
    if tally.corrupt_packets:
        warnings.append(f"{tally.corrupt_packets} packets are marked corrupt")
    return warnings


def _because(tally: DecodeTally) -> str:
    if tally.read_error:
        return f" ({tally.read_error})"
    if tally.failed_packets:
        return f" ({tally.failed_packets} packets do not decode)"
    return ""
