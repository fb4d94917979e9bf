"""How long a clip takes to become the 16 frames that the encoder sees, beside other decoders.

python -m benchmarks.extract_decode --out benchmarks/results/extract-decode-cpu.json
python -m benchmarks.extract_decode clip.mp4 other.avi

Without files: clips of MiniViMo, written here, and the videos of HERO_REALDATA_DIR where that is set. Everything runs
with one thread on one machine, in turns, so that what else the machine does meets all alike; the table has the fastest
turn, as other work only ever adds time, and the JSON file the median beside it. Other decoders take the same 16
frames, resized in the same way. Two columns are a scale and no rivals: PyAV and the ffmpeg command decode every frame
and keep none, the latter with the start of its process.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch

from benchmarks.train import environment_of
from pipeline.decode.sampling import segment_centres
from pipeline.decode.transforms import resize_frame
from pipeline.decode.video import decode_clip, write_mp4
from pipeline.minivimo import render_frames, sample_clip

MINIVIMO_CLIPS = 3
VIDEO_SUFFIXES = {".mp4", ".avi", ".mkv", ".webm", ".mov"}
TURNS = 7

Decoder = Callable[[Path], object]
Row = dict[str, float | str]
"""Milliseconds by decoder, or why there are none."""


def main() -> None:
    """Measure every file with every decoder and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, help="videos; by default MiniViMo's and real ones")
    parser.add_argument("--turns", type=int, default=TURNS, help="of every decoder on every file")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        files = options.files or [*minivimo_clips(Path(folder)), *real_clips()]
        results = measured(files, options.turns)
    print(table(results))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def minivimo_clips(folder: Path) -> list[Path]:
    """A few clips of MiniViMo as files."""
    paths = [folder / f"minivimo_{index}.mp4" for index in range(MINIVIMO_CLIPS)]
    for index, path in enumerate(paths):
        plan = sample_clip(0, index)
        write_mp4(path, render_frames(plan), plan.fps)
    return paths


def real_clips() -> list[Path]:
    """Videos under HERO_REALDATA_DIR, if there is such a folder."""
    folder = Path(os.environ.get("HERO_REALDATA_DIR", "")) / "videos"
    return sorted(path for path in folder.glob("*") if path.suffix in VIDEO_SUFFIXES)


def measured(files: Sequence[Path], turns: int) -> dict[str, Any]:
    """Milliseconds of every decoder on every file, with the environment that they were measured in."""
    fastest, median = {}, {}
    for path in files:
        fastest[path.name], median[path.name] = milliseconds(path, turns)
        print(path.name, json.dumps(fastest[path.name]), flush=True)
    return {
        "environment": environment_of(torch.device("cpu")) | {"decoders": versions(), "turns": turns},
        "fastest_milliseconds_per_clip": fastest,
        "median_milliseconds_per_clip": median,
    }


def milliseconds(path: Path, turns: int) -> tuple[Row, Row]:
    """The fastest of each decoder's turns and their median, or why there is neither."""
    row: Row = {}
    seconds: dict[str, list[float]] = {}
    for name, (is_installed, decode) in DECODERS.items():
        row[name] = first_failure(decode, path) if is_installed() else "not installed"
        if not row[name]:
            seconds[name] = []
    for _ in range(turns):
        for name, times in seconds.items():
            began = time.perf_counter()
            DECODERS[name][1](path)
            times.append(time.perf_counter() - began)
    fastest = {name: round(1000 * min(times), 1) for name, times in seconds.items()}
    median = {name: round(1000 * statistics.median(times), 1) for name, times in seconds.items()}
    return row | fastest, row | median


def first_failure(decode: Decoder, path: Path) -> str:
    """Decode once, which also loads libraries and the file; what went wrong, or nothing."""
    try:
        decode(path)
    except Exception as error:  # noqa: BLE001  each decoder fails in ways of its own
        return f"fails: {type(error).__name__}"
    return ""


def every_frame_with_pyav(path: Path) -> int:
    """Decode all frames, convert none."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        return sum(1 for _ in container.decode(stream))


def every_frame_with_ffmpeg(path: Path) -> None:
    """Decode all frames, convert none, in a process of its own."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-i", str(path), "-map", "0:v:0"]
    subprocess.run([*command, "-f", "null", "-"], check=True, capture_output=True)


def with_torchcodec(path: Path) -> np.ndarray:
    """The 16 frames; exact, as the count of headers is not to be trusted."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact")
    indices = segment_centres(len(decoder)).tolist()
    return np.stack([resize_frame(frame) for frame in decoder.get_frames_at(indices).data.numpy()])


def with_decord(path: Path) -> np.ndarray:
    """The 16 frames."""
    from decord import VideoReader

    reader = VideoReader(str(path), num_threads=1)
    frames = reader.get_batch(segment_centres(len(reader)).tolist()).asnumpy()
    return np.stack([resize_frame(frame) for frame in frames])


def with_opencv(path: Path) -> np.ndarray:
    """The 16 frames: all decoded, those converted."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    wanted = set(segment_centres(int(capture.get(cv2.CAP_PROP_FRAME_COUNT))).tolist())
    frames = []
    index = 0
    while capture.grab():
        if index in wanted:
            frames.append(resize_frame(np.asarray(capture.retrieve()[1], np.uint8)[..., ::-1].copy()))
        index += 1
    capture.release()
    return np.stack(frames)


def always() -> bool:
    """For what this project needs itself."""
    return True


DECODERS: dict[str, tuple[Callable[[], bool], Decoder]] = {
    "ours": (always, decode_clip),
    "torchcodec": (lambda: find_spec("torchcodec") is not None, with_torchcodec),
    "decord": (lambda: find_spec("decord") is not None, with_decord),
    "OpenCV": (always, with_opencv),
    "PyAV, all frames": (always, every_frame_with_pyav),
    "ffmpeg, all frames": (lambda: shutil.which("ffmpeg") is not None, every_frame_with_ffmpeg),
}
"""Whether a decoder is there, and what it does with a file."""


def versions() -> dict[str, str]:
    """Of the decoders that are there."""
    found = {"OpenCV": cv2.__version__}
    for name in ("av", "torchcodec", "decord"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if shutil.which("ffmpeg"):
        said = subprocess.run(["ffmpeg", "-version"], check=True, capture_output=True, text=True).stdout
        found["ffmpeg"] = said.split()[2]
    return found


def table(results: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| ms per clip | " + " | ".join(DECODERS) + " |", "|---" * (len(DECODERS) + 1) + "|"]
    for name, row in results["fastest_milliseconds_per_clip"].items():
        lines.append(f"| {name} | " + " | ".join(str(row[decoder]) for decoder in DECODERS) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
