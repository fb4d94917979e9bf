import os
import pickle
import random
import socket
import struct
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from hero_core.errors import HeroError, InputError
from pipeline.decode.video import (
    DecodeError,
    DecodeLimits,
    decode_clip,
    decode_rule,
    decoder_versions,
    opened,
    read_frames,
    write_mp4,
)

HEIGHT, WIDTH = 48, 64


def grey_levels(count: int) -> np.ndarray:
    """A distinct brightness for every frame, so that a picture says which frame it is."""
    return np.linspace(20, 235, count).astype(np.uint8)


def grey_frames(count: int, height: int = HEIGHT, width: int = WIDTH) -> Iterator[np.ndarray]:
    for level in grey_levels(count):
        yield np.full((height, width, 3), level, np.uint8)


def noisy_frames(count: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    background = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    for index in range(count):
        yield np.roll(background, 3 * index, axis=1)


@pytest.fixture
def clip_path(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_mp4(path, grey_frames(40), 20)
    return path


@pytest.fixture
def noisy_path(tmp_path: Path) -> Path:
    path = tmp_path / "noisy.mp4"
    write_mp4(path, noisy_frames(60), 30)
    return path


def reason_of(path: Path, limits: DecodeLimits | None = None) -> tuple[str, str]:
    with pytest.raises(DecodeError) as caught:
        decode_clip(path, limits, size=16)
    return caught.value.stage, caught.value.reason


# what a sound video gives


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 45, 90])
def test_sampled_pictures_are_the_frames_at_the_indices(tmp_path: Path, count: int) -> None:
    path = tmp_path / "clip.mp4"
    write_mp4(path, grey_frames(count), 25)
    clip = decode_clip(path, size=24)
    assert clip.frame_count == count
    assert clip.frames.shape == (16, 24, 24, 3)
    assert clip.frames.dtype == np.uint8
    expected = grey_levels(count)[clip.indices].astype(int)
    assert np.abs(clip.frames.mean(axis=(1, 2, 3)) - expected).max() < 3
    assert bool(clip.warnings) == (count < 16)


@pytest.mark.parametrize("fps", [2, 12.5, Fraction(30000, 1001), 29.97, 60])
def test_times_and_rate(tmp_path: Path, fps: float | Fraction) -> None:
    path = tmp_path / "clip.mp4"
    write_mp4(path, grey_frames(32), fps)
    clip = decode_clip(path, size=16, samples=8)
    assert clip.fps == pytest.approx(float(fps), rel=1e-4)
    np.testing.assert_allclose(clip.timestamps_seconds, clip.indices / float(fps), atol=1e-3)


def test_decoding_is_repeatable(noisy_path: Path) -> None:
    first, second = decode_clip(noisy_path), decode_clip(noisy_path)
    np.testing.assert_array_equal(first.frames, second.frames)
    assert first.timestamps_seconds.tolist() == second.timestamps_seconds.tolist()


@pytest.mark.parametrize("guess", [1, 39, 41, 4000])
def test_a_wrong_guess_of_the_frame_count_changes_nothing(
    clip_path: Path, monkeypatch: pytest.MonkeyPatch, guess: int
) -> None:
    right = decode_clip(clip_path, size=16)
    monkeypatch.setattr("pipeline.decode.video.clip._guess_frame_count", lambda *_: guess)
    guessed = decode_clip(clip_path, size=16)
    np.testing.assert_array_equal(guessed.frames, right.frames)
    np.testing.assert_array_equal(guessed.indices, right.indices)


def test_a_container_that_does_not_count_frames(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    _write_with_times(path, list(range(0, 1600, 40)))
    clip = decode_clip(path, size=16)
    assert (clip.frame_count, clip.warnings) == (40, ())
    assert clip.fps == pytest.approx(25, rel=0.01)


def test_variable_frame_rate_keeps_the_real_times(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    milliseconds = [0, 40, 80, 120, 1000, 1040, 1080, 2000]
    _write_with_times(path, milliseconds)
    clip = decode_clip(path, size=16, samples=8)
    np.testing.assert_allclose(clip.timestamps_seconds, np.array(milliseconds) / 1000, atol=1e-3)
    assert clip.fps == pytest.approx(7 / 2, rel=0.01)


def test_odd_file_names_are_read(tmp_path: Path) -> None:
    for name in ("人間 %03d.mp4", "concat:a|b.mp4", "-i.mp4"):
        write_mp4(tmp_path / name, grey_frames(4), 10)
        assert decode_clip(tmp_path / name, size=16).frame_count == 4


def test_versions_are_stated() -> None:
    assert decoder_versions()["av"] == av.__version__
    assert set(decoder_versions()) == {"av", "libavcodec", "libswscale"}


# what a bad one gives


def test_not_a_video(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video\n" * 200)
    assert reason_of(tmp_path / "absent.mp4") == ("open", "no such file")
    assert reason_of(tmp_path) == ("open", "not a file")
    assert reason_of(tmp_path / "empty.mp4") == ("open", "the file is empty")
    assert reason_of(tmp_path / "text.mp4")[0] == "open"


def test_what_is_not_a_regular_file_is_refused_unopened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")  # opening it would wait for ever
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "absent.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    (tmp_path / "link_to_pipe.mp4").symlink_to(tmp_path / "pipe.mp4")
    assert reason_of(tmp_path / "pipe.mp4") == ("open", "not a file")
    assert reason_of(tmp_path / "link_to_pipe.mp4") == ("open", "not a file")
    assert reason_of(Path("/dev/null")) == ("open", "not a file")
    assert reason_of(tmp_path / "dangling.mp4") == ("open", "no such file")
    stage, reason = reason_of(tmp_path / "loop.mp4")
    assert stage == "open"
    assert "symbolic link" in reason
    assert reason_of(tmp_path / ("x" * 300))[0] == "open"


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket has to be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("video.mp4")
        assert reason_of(tmp_path / "video.mp4") == ("open", "not a file")


def test_a_playlist_is_not_followed(tmp_path: Path, clip_path: Path) -> None:
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{clip_path}\n#EXT-X-ENDLIST\n")
    assert reason_of(playlist)[0] == "open"


def test_sound_alone_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert reason_of(path) == ("open", "no video stream")


def test_half_a_video_is_refused_and_almost_all_of_it_is_not(noisy_path: Path, tmp_path: Path) -> None:
    content = noisy_path.read_bytes()
    half = tmp_path / "half.mp4"
    half.write_bytes(content[: len(content) // 2])
    stage, reason = reason_of(half)
    assert stage == "decode"
    assert "of 60 promised frames" in reason

    almost = tmp_path / "almost.mp4"
    almost.write_bytes(content[:-200])
    clip = decode_clip(almost, size=16)
    assert clip.frame_count < 60
    assert any("of 60 promised frames" in warning for warning in clip.warnings)


def test_damage_in_the_middle_is_refused(noisy_path: Path) -> None:
    content = bytearray(noisy_path.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = random.Random(0).randbytes(third)
    noisy_path.write_bytes(content)
    assert reason_of(noisy_path)[0] == "decode"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_random_damage_never_ends_in_another_exception(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole{suffix}"
    if suffix == ".mp4":
        write_mp4(whole, noisy_frames(12), 12)
    else:
        _write_with_times(whole, list(range(0, 480, 40)))
    rng = random.Random(0)
    outcomes = set()
    for _ in range(60):
        content = bytearray(whole.read_bytes())
        for _ in range(rng.choice([1, 20, 200])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        damaged = tmp_path / f"damaged{suffix}"
        damaged.write_bytes(content)
        try:
            decode_clip(damaged, size=16)
            outcomes.add("ok")
        except DecodeError as error:
            outcomes.add(error.stage)
    assert len(outcomes) > 1


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (DecodeLimits(max_pixels=HEIGHT * WIDTH - 1), "64x48"),
        (DecodeLimits(max_frames=39), "40 frames"),
        (DecodeLimits(max_bytes=100), "bytes, over 100"),
        (DecodeLimits(max_seconds=1e-9), "to decode"),
    ],
)
def test_limits(clip_path: Path, limits: DecodeLimits, words: str) -> None:
    stage, reason = reason_of(clip_path, limits)
    assert stage == "limits"
    assert words in reason


def test_a_stream_that_begins_in_mid_file_ends_nothing_early(clip_path: Path) -> None:
    """PyAV raises this after all packets, those that empty its decoders among them, if memory happens to be so."""

    def demux(stream: object) -> Iterator[str]:
        yield from ("packet", "last packet")
        raise IndexError("list index out of range")

    video = SimpleNamespace(container=SimpleNamespace(demux=demux), stream=None, deadline=float("inf"))
    assert [*opened.packets_of(video)] == ["packet", "last packet"]


def test_time_is_up_between_packets(clip_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that runs a second per look: the 40 small frames may take the base and little more."""
    clock = iter(range(10**6))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    stage, reason = reason_of(clip_path, DecodeLimits(base_seconds=30))
    assert (stage, "takes over 30.0" in reason) == ("limits", True)
    assert decode_clip(clip_path, DecodeLimits(base_seconds=200), size=16).frame_count == 40


def test_limits_hold_where_the_header_is_silent(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    _write_with_times(path, list(range(0, 1600, 40)))
    assert reason_of(path, DecodeLimits(max_frames=39)) == ("limits", "over 39 frames")
    assert decode_clip(path, DecodeLimits(max_frames=40), size=16).frame_count == 40


def test_an_error_is_one_line_and_crosses_processes(tmp_path: Path) -> None:
    error = DecodeError(tmp_path / "a.mp4", "decode", "no frame decodes")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert isinstance(again, DecodeError)
    assert isinstance(again, HeroError)
    assert (again.path, again.stage, again.reason) == (error.path, error.stage, error.reason)
    assert str(again) == f"{tmp_path / 'a.mp4'}: no frame decodes"


# colour tags


@pytest.mark.parametrize("matrix", ["smpte2085", "chroma-derived-c", "chroma-derived-nc", "ictcp", "YCgCo"])
def test_a_matrix_that_swscale_does_not_know_is_taken_as_untagged(tmp_path: Path, matrix: str) -> None:
    _write_tagged(tmp_path / "plain.mp4")
    _write_tagged(tmp_path / "odd.mp4", f"colormatrix={matrix}:transfer=smpte428:colorprim=smpte431")
    plain, odd = (decode_clip(tmp_path / name, size=16) for name in ("plain.mp4", "odd.mp4"))
    np.testing.assert_array_equal(odd.frames, plain.frames)
    assert plain.warnings == ()
    assert len(odd.warnings) == 1
    assert "BT.601 assumed" in odd.warnings[0]
    assert len(list(read_frames(tmp_path / "odd.mp4"))) == 20


def test_a_matrix_that_swscale_knows_is_obeyed(tmp_path: Path) -> None:
    _write_tagged(tmp_path / "plain.mp4")
    _write_tagged(tmp_path / "hd.mp4", "colormatrix=bt709:transfer=smpte428:colorprim=smpte431")
    plain, hd = (decode_clip(tmp_path / name, size=16) for name in ("plain.mp4", "hd.mp4"))
    assert hd.warnings == ()
    assert np.abs(hd.frames.astype(int) - plain.frames).max() > 5


@pytest.mark.parametrize("error", [OSError(95, "Operation not supported"), ValueError("no such format")])
def test_what_swscale_refuses_altogether_is_a_decode_error(
    clip_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(
        "pipeline.decode.video.rgb.VideoReformatter", lambda: SimpleNamespace(reformat=refuse)
    )
    stage, reason = reason_of(clip_path)
    assert stage == "decode"
    assert "frames of format yuv420p cannot become RGB" in reason
    with pytest.raises(DecodeError, match="cannot become RGB"):
        next(read_frames(clip_path))


def _write_tagged(path: Path, tags: str = "") -> None:
    """Colourful H.264 with colour tags, as x264 names them; none by default."""
    if "libx264" not in av.codecs_available:
        pytest.skip("this PyAV has no libx264")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
        stream.codec_context.options = {"x264-params": tags}
        picture = np.full((HEIGHT, WIDTH, 3), (200, 40, 90), np.uint8)
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


# reading and writing frames


def test_read_frames_gives_every_frame_at_its_own_size(clip_path: Path) -> None:
    frames = list(read_frames(clip_path))
    assert len(frames) == 40
    np.testing.assert_allclose([seconds for seconds, _ in frames], np.arange(40) / 20, atol=1e-3)
    assert all(frame.shape == (HEIGHT, WIDTH, 3) and frame.dtype == np.uint8 for _, frame in frames)
    levels = np.array([frame.mean() for _, frame in frames])
    assert np.abs(levels - grey_levels(40)).max() < 3


def test_read_frames_can_be_left_early(clip_path: Path) -> None:
    frames = read_frames(clip_path)
    assert next(frames)[0] == 0
    frames.close()  # type: ignore[attr-defined]


def test_read_frames_of_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(DecodeError, match="text.mp4"):
        list(read_frames(tmp_path / "text.mp4"))


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    write_mp4(tmp_path / "a.mp4", noisy_frames(12), 24)
    write_mp4(tmp_path / "b.mp4", noisy_frames(12), 24)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_odd_sizes_are_filled_up(tmp_path: Path) -> None:
    write_mp4(tmp_path / "odd.mp4", grey_frames(3, 17, 33), 10)
    _, frame = next(read_frames(tmp_path / "odd.mp4"))
    assert frame.shape == (18, 34, 3)
    assert frame.std() < 3


def test_colours_survive(tmp_path: Path) -> None:
    colours = np.array([[200, 40, 40], [40, 180, 60], [50, 60, 210]], np.uint8)
    write_mp4(tmp_path / "c.mp4", (np.tile(colour, (32, 32, 1)) for colour in colours), 5, crf=10)
    read = np.array([frame.mean(axis=(0, 1)) for _, frame in read_frames(tmp_path / "c.mp4")])
    assert np.abs(read - colours).max() < 6


def test_a_failed_write_leaves_the_old_file(clip_path: Path) -> None:
    before = clip_path.read_bytes()

    def failing() -> Iterator[np.ndarray]:
        yield from grey_frames(2)
        raise RuntimeError("renderer died")

    with pytest.raises(RuntimeError, match="renderer died"):
        write_mp4(clip_path, failing(), 10)
    assert clip_path.read_bytes() == before
    assert [path.name for path in clip_path.parent.iterdir()] == ["clip.mp4"]


def test_impossible_videos_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    mixed = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)]
    cases: list[tuple[list[np.ndarray], float, str]] = [
        ([], 10, "no frames"),
        (mixed, 10, "expected uint8 frames"),
        ([np.zeros((4, 4), np.uint8)], 10, "expected uint8 frames"),
        ([np.zeros((4, 4, 3), np.float32)], 10, "expected uint8 frames"),
        (mixed[:1], 0, "frames per second"),
        (mixed[:1], float("nan"), "frames per second"),
        (mixed[:1], 1e-9, "frames per second"),  # no fraction that a file can state
    ]
    for frames, fps, words in cases:
        with pytest.raises(InputError, match=words):
            write_mp4(path, iter(frames), fps)
        assert not path.exists()


def _write_with_times(path: Path, milliseconds: list[int]) -> None:
    """A Matroska file: frames at any times, and no count of frames in its header."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, array in zip(milliseconds, grey_frames(len(milliseconds)), strict=True):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            frame.pts = time
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def turned(path: Path, clockwise: bool) -> Path:
    """The mp4 with a display matrix that says: turn a quarter."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44  # type, version, times, id, duration, reserved, layer, volume
    one = 0x10000 if clockwise else -0x10000
    data[start : start + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
    return path


def corners(count: int) -> Iterator[np.ndarray]:
    """A picture that is white at its upper left."""
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    frame[: HEIGHT // 2, : WIDTH // 2] = 255
    for _ in range(count):
        yield frame


@pytest.mark.parametrize(("clockwise", "corner"), [(True, (0, -1)), (False, (-1, 0))])
def test_rotation_is_applied_where_it_is_wanted(
    tmp_path: Path, clockwise: bool, corner: tuple[int, int]
) -> None:
    write_mp4(tmp_path / "phone.mp4", corners(20), 20)
    path = turned(tmp_path / "phone.mp4", clockwise)
    plain, upright = (decode_clip(path, size=16, rotate=rotate) for rotate in (False, True))
    assert plain.frames[0][0, 0].min() > 200
    assert upright.frames[0][corner].min() > 200
    assert upright.frames[0][0, 0].max() < 50
    assert "--rotate applies it" in " ".join(plain.warnings)
    assert upright.warnings == ()
    _, shown = next(iter(read_frames(path)))
    assert shown.shape == (WIDTH, HEIGHT, 3)
    assert shown[corner].min() > 200
    assert decode_rule(True) != decode_rule(False)


@pytest.mark.parametrize(("every", "count"), [(None, 1), (10, 4), (2, 20)])
def test_key_frames_come_as_often_as_asked(tmp_path, every, count):
    write_mp4(tmp_path / "a.mp4", grey_frames(40), 20, keyframe_every=every)
    data = (tmp_path / "a.mp4").read_bytes()
    place = data.find(b"stss") + 8  # the box that lists them
    assert int.from_bytes(data[place : place + 4], "big") == count
