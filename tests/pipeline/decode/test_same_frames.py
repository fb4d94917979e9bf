"""Whatever is left undecoded, the frames are those of decoding everything, to the last bit."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from pipeline.decode.checks import DecodeTally
from pipeline.decode.sampling import segment_centres
from pipeline.decode.transforms import resize_frame
from pipeline.decode.video import DecodedClip, DecodeError, DecodeLimits, decode_clip
from pipeline.decode.video import frames as frames_of_packets
from pipeline.decode.video.opened import Packet

FRAMES, WIDTH, HEIGHT, SIZE = 50, 96, 80, 24


@dataclass(frozen=True)
class Recipe:
    """How a test file is written."""

    encoder: str
    suffix: str = ".mp4"
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    x264: str = ""
    first_ms: int = 0
    is_uneven: bool = False
    decoded: range = range(FRAMES, FRAMES + 1)

    def times_ms(self) -> list[int]:
        """When each frame is shown."""
        return [self.first_ms + 40 * i + (i * i % 17 if self.is_uneven else 0) for i in range(FRAMES)]


SOME = range(20, FRAMES - 5)  # of the packets are decoded where B-frames may be left out
B_FRAMES = "bframes=3:b-adapt=0:keyint=250:scenecut=0"
RECIPES = {
    "h264_long_gop": Recipe("libx264", x264=B_FRAMES, decoded=SOME),
    "h264_matroska": Recipe("libx264", ".mkv", x264=B_FRAMES, decoded=SOME),
    "h264_pyramid": Recipe("libx264", x264="bframes=8:b-adapt=0:b-pyramid=normal:ref=5", decoded=SOME),
    "h264_no_cabac": Recipe(
        "libx264", x264="bframes=2:b-adapt=0:b-pyramid=none:scenecut=0:cabac=0", decoded=SOME
    ),
    "h264_slices": Recipe("libx264", x264=f"{B_FRAMES}:slices=4", decoded=SOME),
    "h264_open_gop": Recipe("libx264", x264="bframes=3:b-adapt=0:open-gop=1:keyint=12", decoded=SOME),
    "h264_short_gop": Recipe("libx264", x264="bframes=3:b-adapt=0:keyint=7:scenecut=0", decoded=SOME),
    "h264_uneven_times": Recipe("libx264", x264=B_FRAMES, is_uneven=True, decoded=SOME),
    "h264_10_bit": Recipe("libx264", pix_fmt="yuv420p10le", x264=B_FRAMES, decoded=SOME),
    "h264_444": Recipe("libx264", pix_fmt="yuv444p", x264=B_FRAMES, decoded=SOME),
    "h264_fragments": Recipe(
        "libx264", options={"movflags": "frag_keyframe+empty_moov"}, x264="keyint=10:bframes=2", decoded=SOME
    ),
    "h264_timing_messages": Recipe("libx264", x264=f"{B_FRAMES}:nal-hrd=vbr:vbv-maxrate=900:vbv-bufsize=900"),
    "h264_edit_list": Recipe("libx264", x264=B_FRAMES, first_ms=-600),
    "h264_interlaced": Recipe("libx264", x264=f"{B_FRAMES}:interlaced=1"),
    "h264_intra": Recipe("libx264", x264="keyint=1"),
    "h264_stream": Recipe("libx264", ".ts", x264=B_FRAMES),
    "h264_avi": Recipe("libx264", ".avi", x264="bframes=0"),
    "hevc": Recipe("libx265", options={"x265-params": "bframes=3:log-level=none"}),
    "hevc_10_bit": Recipe("libx265", ".mkv", "yuv420p10le", {"x265-params": "bframes=4:log-level=none"}),
    "vp9": Recipe("libvpx-vp9", ".webm", options={"lag-in-frames": "10", "auto-alt-ref": "1"}),
    "av1": Recipe("libsvtav1", options={"preset": "10"}),
    "mpeg4": Recipe("mpeg4", options={"bf": "2"}),
    "mpeg4_avi": Recipe("mpeg4", ".avi"),
    "mpeg2": Recipe("mpeg2video", ".mpg", options={"bf": "2"}),
    "mjpeg": Recipe("mjpeg", ".avi", "yuvj420p"),
    "gif": Recipe("gif", ".gif", "rgb8"),
    "ffv1": Recipe("ffv1", ".mkv"),
}


def write(path: Path, recipe: Recipe) -> Path:
    """A picture that moves, in noise that differs from frame to frame."""
    if recipe.encoder not in av.codecs_available:
        pytest.skip(f"this PyAV has no {recipe.encoder}")
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    options = recipe.options | ({"x264-params": recipe.x264} if recipe.x264 else {})
    flags = {"use_editlist": "1", "avoid_negative_ts": "disabled"} if recipe.first_ms else {}
    with av.open(
        str(path), "w", options=flags | {k: v for k, v in options.items() if k == "movflags"}
    ) as file:
        stream = file.add_stream(recipe.encoder, rate=25, width=WIDTH, height=HEIGHT, pix_fmt=recipe.pix_fmt)
        stream.codec_context.options = {k: v for k, v in options.items() if k != "movflags"}
        stream.codec_context.thread_count = 1
        if recipe.suffix != ".mpg":
            stream.codec_context.time_base = Fraction(1, 1000 if recipe.is_uneven else 25)
        for index, time in enumerate(recipe.times_ms()):
            noise = rng.integers(0, 24, picture.shape, dtype=np.uint8)
            array = np.roll(picture, 2 * index, axis=1) // 2 + noise
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format=recipe.pix_fmt)
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def decode_everything(path: Path, size: int, samples: int = 16) -> tuple[np.ndarray, list[float | None]]:
    """The reference: all frames, one thread, and of them the sampled ones; also when each is shown."""
    reformatter, pictures, times = VideoReformatter(), [], []
    with av.open(str(path)) as file:
        stream = next(s for s in file.streams.video if not s.disposition & av.stream.Disposition.attached_pic)
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        for frame in file.decode(stream):
            rgb = reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
            pictures.append(resize_frame(rgb, size))
            times.append(frame.time)
    return np.stack([pictures[i] for i in segment_centres(len(pictures), samples)]), times


def assert_same(clip: DecodedClip, frames: np.ndarray, times: list[float | None]) -> None:
    assert clip.frame_count == len(times)
    np.testing.assert_array_equal(clip.frames, frames)
    if "no usable frame times" not in " ".join(clip.warnings):
        expected = np.array(times, np.float64)[clip.indices] - times[0]
        np.testing.assert_array_equal(clip.timestamps_seconds, expected)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the packets that were decoded."""
    sizes: list[int] = []
    original = frames_of_packets._decode_packet

    def counted(packet: Packet, tally: DecodeTally) -> object:
        if packet.size:
            sizes.append(packet.size)
        return original(packet, tally)

    monkeypatch.setattr("pipeline.decode.video.frames._decode_packet", counted)
    return sizes


@pytest.mark.parametrize("name", RECIPES)
def test_every_kind_of_file(tmp_path: Path, sent: list[int], name: str) -> None:
    recipe = RECIPES[name]
    path = write(tmp_path / f"clip{recipe.suffix}", recipe)
    frames, times = decode_everything(path, SIZE)
    clip = decode_clip(path, size=SIZE)
    assert_same(clip, frames, times)
    if recipe.encoder == "libx264":
        assert len(sent) in recipe.decoded
        assert (clip.frame_count < FRAMES) == (name == "h264_edit_list")


@pytest.mark.parametrize("samples", [1, 2, 7, FRAMES, 3 * FRAMES])
def test_any_number_of_samples(tmp_path: Path, samples: int) -> None:
    path = write(tmp_path / "clip.mp4", RECIPES["h264_pyramid"])
    frames, times = decode_everything(path, SIZE, samples)
    assert_same(decode_clip(path, size=SIZE, samples=samples), frames, times)


def test_a_turned_file(tmp_path: Path, sent: list[int]) -> None:
    path = write(tmp_path / "clip.mp4", RECIPES["h264_long_gop"])
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    data[start : start + 36] = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
    frames, times = decode_everything(path, SIZE)
    assert_same(decode_clip(path, size=SIZE), frames, times)
    assert len(sent) in SOME


def test_what_holds_no_packets_decodes_everything(
    tmp_path: Path, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "clip.mkv", RECIPES["h264_matroska"])
    frames, times = decode_everything(path, SIZE)
    monkeypatch.setattr("pipeline.decode.video.clip._HELD_BYTES", 0)
    assert_same(decode_clip(path, size=SIZE), frames, times)
    assert len(sent) == FRAMES


@pytest.mark.parametrize("name", ["h264_matroska", "h264_long_gop"])
def test_the_limit_of_frames_holds_for_those_left_out(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / f"clip{RECIPES[name].suffix}", RECIPES[name])
    assert decode_clip(path, DecodeLimits(max_frames=FRAMES), size=SIZE).frame_count == FRAMES
    for most in (FRAMES - 1, FRAMES // 2 - 1):
        with pytest.raises(DecodeError, match="frames") as caught:
            decode_clip(path, DecodeLimits(max_frames=most), size=SIZE)
        assert caught.value.stage == "limits"


def damaged(path: Path, is_victim: Callable[[int], bool]) -> Path:
    """Nothing in the second half of some packets, chosen by their place in coding order."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as file:
        for index, packet in enumerate(file.demux(video=0)):
            if packet.size and is_victim(index):
                middle, end = packet.pos + packet.size // 2, packet.pos + packet.size
                data[middle:end] = bytes(end - middle)
    path.write_bytes(data)
    return path


def outcome(path: Path) -> tuple[object, ...]:
    try:
        clip = decode_clip(path, size=SIZE)
    except DecodeError as error:
        return error.stage, error.reason
    return clip.frames.tobytes(), clip.frame_count, clip.warnings, clip.timestamps_seconds.tolist()


@pytest.mark.parametrize("victim", [0, 1, 5])
def test_damage_that_is_met_is_judged_by_decoding_everything(
    tmp_path: Path, sent: list[int], monkeypatch: pytest.MonkeyPatch, victim: int
) -> None:
    path = damaged(
        write(tmp_path / "clip.mp4", RECIPES["h264_no_cabac"]), lambda index: index == 3 * victim + 1
    )
    quick = outcome(path)
    assert len(sent) > FRAMES  # the first attempt, then everything
    monkeypatch.setattr("pipeline.decode.video.clip.plain_stream", lambda *_: None)
    assert quick == outcome(path)


def test_damage_in_what_is_left_out_is_not_seen_and_changes_no_frame(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", RECIPES["h264_no_cabac"])
    sound = decode_clip(path, size=SIZE, samples=1)
    taken = int(sound.indices[0])
    with av.open(str(path)) as file:
        times = [packet.pts for packet in file.demux(video=0) if packet.size]
    shown = {time: rank for rank, time in enumerate(sorted(times))}
    victims = [i for i, time in enumerate(times) if i % 3 != 1 and i and shown[time] != taken]
    clip = decode_clip(damaged(path, victims.__contains__), size=SIZE, samples=1)
    np.testing.assert_array_equal(clip.frames, sound.frames)
    assert clip.warnings == sound.warnings


@pytest.mark.parametrize("folder", ["videos", "broken"])
def test_every_real_file(realdata_dir: Path, folder: str) -> None:
    paths = [
        path for path in (realdata_dir / folder).iterdir() if path.suffix not in (".npy", ".csv", ".bvh")
    ]
    assert paths
    for path in sorted(paths):
        try:
            clip = decode_clip(path, size=SIZE)
        except DecodeError:
            assert folder == "broken", path
            continue
        if not clip.warnings or folder == "videos":
            assert_same(clip, *decode_everything(path, SIZE))
