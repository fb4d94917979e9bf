"""The whole chain on MiniViMo, as a new user would type it, with the time of every step.

python -m benchmarks.demo demo
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

CLIPS = 1000
TEST_SHARE = 0.3
"""Of the clips: 300 are held out, as clips are cheap and intervals of fewer are wide."""
THREADS = {"hero-train": "2", "hero-eval": "2"}
"""More would wait for each other longer than they work, in models this small; other commands have several processes."""
NEW_CLIP_SEED = 128
"""Its first clip is a lion that charges."""


def commands(out: Path) -> list[list[str]]:
    """What the demo types, in order; the last one still lacks the new clip's path."""
    source, cache, data, run = (str(out / name) for name in ("minivimo", "cache", "data", "run"))
    return [
        ["hero-pipeline", "demo-data", source, "--clips", str(CLIPS)],
        ["hero-pipeline", "extract", source, cache],
        [
            *("hero-pipeline", "build-pairs", source, "--features", cache, "--out", data),
            *("--test-share", str(TEST_SHARE)),
        ],
        ["hero-train", "all", data, "--out", run, "--preset", "demo"],
        ["hero-eval", "metrics", run, "--data", data, "--protocol", "quick"],
        ["hero-pipeline", "demo-data", str(out / "new"), "--clips", "1", "--seed", str(NEW_CLIP_SEED)],
        ["hero-react", "--run", run, "--out", str(out / "reaction"), "--samples", "2"],
    ]


def run(command: list[str]) -> float:
    """Run one command of this environment, show it, and return its seconds."""
    print(f"\n$ {' '.join(command)}", flush=True)
    environment = {"OMP_NUM_THREADS": THREADS.get(command[0], "1"), **os.environ}
    program = Path(sys.executable).parent / command[0]
    started = time.monotonic()
    subprocess.run([str(program), *command[1:]], check=True, env=environment)
    return time.monotonic() - started


def main() -> None:
    """Run the demo into an empty folder and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    rows: list[tuple[str, float]] = []
    for command in commands(out):
        if command[0] == "hero-react":
            (clip,) = sorted((out / "new" / "videos").rglob("*.mp4"))
            command.insert(1, str(clip))
        rows.append((" ".join(command[:2] if command[0] != "hero-react" else command[:1]), run(command)))
    print_table(rows, out)


def print_table(rows: list[tuple[str, float]], out: Path) -> None:
    """Seconds of every step and the plausibility of the result, as Markdown."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"\n{platform.machine()}, {cores} cores, Python {platform.python_version()}\n")
    print("| step | seconds |\n|---|---|")
    for name, seconds in rows:
        print(f"| `{name}` | {seconds:.0f} |")
    print(f"| **all** | **{sum(seconds for _, seconds in rows):.0f}** |")
    result = json.loads((out / "run" / "eval" / "result.json").read_text(encoding="utf-8"))
    print(f"\nnumbers: {out / 'run' / 'eval' / 'result.json'} ({', '.join(sorted(result))})")
    files = sorted((out / "reaction").iterdir())
    print(f"reactions: {', '.join(str(path) for path in files)}")
    print(f"open in a browser: {next(path for path in files if path.suffix == '.html')}")


if __name__ == "__main__":
    main()
