from pathlib import Path
from typing import Any

import pytest

from pipeline.decode.checks import DecodeError, DecodeLimits, DecodeTally, check_damage

PATH = Path("clip.mp4")


def tally(frames: int, **seen: Any) -> DecodeTally:
    return DecodeTally(times_seconds=[index / 25 for index in range(frames)], last_frame_seconds=0.04, **seen)


def test_a_sound_video_gives_no_warning() -> None:
    assert check_damage(PATH, tally(100, declared_frames=100, declared_seconds=4.0), DecodeLimits()) == ()
    assert check_damage(PATH, tally(100), DecodeLimits()) == ()


@pytest.mark.parametrize(("frames", "accepted"), [(99, True), (90, True), (89, False), (1, False)])
def test_missing_frames(frames: int, accepted: bool) -> None:
    seen = tally(frames, declared_frames=100)
    if accepted:
        assert check_damage(PATH, seen, DecodeLimits()) == (f"{frames} of 100 promised frames decode",)
    else:
        with pytest.raises(DecodeError, match=f"{frames} of 100 promised frames"):
            check_damage(PATH, seen, DecodeLimits())


def test_two_missing_frames_never_fail_a_short_clip() -> None:
    assert check_damage(PATH, tally(14, declared_frames=16), DecodeLimits())
    with pytest.raises(DecodeError):
        check_damage(PATH, tally(13, declared_frames=16), DecodeLimits())


def test_frames_that_an_edit_list_leaves_out_are_not_missed() -> None:
    assert check_damage(PATH, tally(52, declared_frames=61, discarded_packets=9), DecodeLimits()) == ()


@pytest.mark.parametrize(("seconds", "words"), [(4.05, None), (4.2, "4.00 of 4.20"), (8.0, "refused")])
def test_missing_seconds_count_where_frames_are_not_counted(seconds: float, words: str | None) -> None:
    seen = tally(100, declared_seconds=seconds)
    if words == "refused":
        with pytest.raises(DecodeError, match=r"4.00 of 8.00 promised seconds"):
            check_damage(PATH, seen, DecodeLimits())
    else:
        warnings = check_damage(PATH, seen, DecodeLimits())
        assert [str(words) in warning for warning in warnings] == ([True] if words else [])


@pytest.mark.parametrize("kind", ["corrupt_frames", "failed_packets"])
def test_damaged_frames(kind: str) -> None:
    few = check_damage(PATH, tally(100, **{kind: 2}), DecodeLimits())
    assert any("2 " in warning for warning in few)
    with pytest.raises(DecodeError, match="damaged or do not decode"):
        check_damage(PATH, tally(100, **{kind: 10}), DecodeLimits())
    assert check_damage(PATH, tally(100, **{kind: 10}), DecodeLimits(max_damaged_share=0.2))


def test_no_frames() -> None:
    with pytest.raises(DecodeError, match=r"no frame decodes \(7 packets do not decode\)"):
        check_damage(PATH, tally(0, declared_frames=7, failed_packets=7), DecodeLimits())


def test_oddities_are_told() -> None:
    warnings = check_damage(
        PATH,
        tally(10, sizes={(320, 240), (160, 120)}, read_error="I/O error"),
        DecodeLimits(),
    )
    assert [word in " ".join(warnings) for word in ("160x120, 320x240", "I/O error")] == [True] * 2


def test_time_follows_what_a_file_declares_and_what_it_holds() -> None:
    limits = DecodeLimits(
        max_seconds=100, base_seconds=5, seconds_per_megapixel_frame=0.1, seconds_per_megabyte=2
    )
    assert limits.seconds_for(10_000_000, 1_000_000, 50) == pytest.approx(5 + 0.1 * 50)
    assert limits.seconds_for(1_000_000, 1_000_000, 50) == pytest.approx(5 + 2)  # huge frames of nothing
    assert limits.seconds_for(8_000_000, 64, 30_000) < 5.2  # many frames of nothing
    assert limits.seconds_for(1_000_000, 1_000_000, None) == pytest.approx(5 + 2)
    assert limits.seconds_for(10**9, 10**6, 10**5) == 100
    for size in (
        0,
        10**6,
        10**9,
    ):  # a process is killed later than the decoder gives up, whatever is declared
        for pixels, frames in ((64, 30_000), (10**6, 50), (10**7, None)):
            assert limits.kill_seconds(size) >= 2 * limits.seconds_for(size, pixels, frames) + 30
    assert limits.kill_seconds(1_000_000) == pytest.approx(2 * (5 + 2) + 30)


@pytest.mark.parametrize(
    ("file_bytes", "pixels", "frames", "least"),
    [(1_800_000, 1280 * 720, 289, 20), (60_000_000, 1920 * 1080, 1800, 120), (10**9, 3840 * 2160, 3600, 300)],
)
def test_time_for_sound_videos_is_ample(file_bytes: int, pixels: int, frames: int, least: float) -> None:
    assert DecodeLimits().seconds_for(file_bytes, pixels, frames) >= least
