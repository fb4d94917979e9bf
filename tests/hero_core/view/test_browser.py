"""The page in a real browser, opened as a file."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hero_core.models.explanation import Explained
from hero_core.motion.bvh import read_bvh
from hero_core.motion.bvh_writer import write_bvh
from hero_core.motion.humanml3d import vectors_to_joints
from hero_core.view.document import (
    Document,
    File,
    Metric,
    ShownMotion,
    ShownSample,
    ShownTable,
    ShownVideo,
)
from hero_core.view.html import write_page
from pipeline.decode.video import write_mp4
from tests.hero_core.view.motions import walk, walk_vectors
from tests.hero_core.view.test_html import HOSTILE, hostile_document

VIDEO_FRAMES, REACTION_FRAMES = 50, 40  # the video is the longer one
LEVELS = 5  # of grey from one frame of the video to the next

Opened = Callable[[Document], Any]


def clip(folder: Path) -> ShownVideo:
    """A video at 20 fps whose frames say by their grey which one they are."""
    frames = (np.full((64, 96, 3), LEVELS * index, np.uint8) for index in range(VIDEO_FRAMES))
    write_mp4(folder / "clip.mp4", frames, 20, crf=1, keyframe_every=10)
    return ShownVideo("clip.mp4", (folder / "clip.mp4").read_bytes())


def samples(folder: Path) -> list[ShownSample]:
    vectors = walk_vectors(REACTION_FRAMES)
    attention = np.eye(10, 4, dtype=np.float32)
    explained = Explained(np.array([0.1, 0.2, 0.6, 0.1], np.float32), attention, np.arange(20).reshape(10, 2))
    write_bvh(folder / "walk.bvh", vectors_to_joints(vectors), 20)
    bvh = (folder / "walk.bvh").read_bytes()
    motions = [
        ShownMotion.of_vectors("HERO", vectors, explained=explained, files=[File("walk.bvh", bvh)]),
        ShownMotion("Truth", walk(60, 0.4), "truth"),
    ]
    first = ShownSample(
        "one",
        "first",
        motions,
        "a",
        [("Clip", "clip.mp4")],
        {"gap": 1.0},
        clip(folder),
        [0.2, 0.8, 1.4, 2.0],
        0.9,
    )
    others = [
        ShownSample(
            key=f"more{index}",
            title=f"other {index}",
            motions=[ShownMotion("HERO", walk(30))],
            category="ab"[index % 2],
            metrics={"gap": index + 2.0},
        )
        for index in range(24)
    ]
    return [first, *others]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    made = samples(tmp_path_factory.mktemp("video"))
    table = ShownTable("numbers", ["", "gap"], [["all", "3.0"]])
    return Document("A page", made, "made by a test", ["a note"], [Metric("gap", "gap", "cm")], [table])


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Opened]:
    """Opens a page; afterwards there was no complaint in its console, and nothing was fetched."""
    heard: list[str] = []
    fetched: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)

    def open_page(document: Document) -> Any:
        path = tmp_path / "page.html"
        write_page(path, document)
        page = context.new_page()
        page.on("console", lambda message: heard.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_page
    context.close()
    assert heard == []
    assert [url[:60] for url in fetched if not url.startswith(("file:", "blob:", "data:"))] == []


def scrub(page: Any, seconds: float) -> None:
    """Pause, and move the slider as a hand does."""
    if page.get_attribute(".player", "data-playing") == "true":
        page.click(".play")
    page.wait_for_selector(".player[data-playing=false]")
    page.eval_on_selector(
        ".scrub", "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')); }", seconds
    )
    until(page, "!document.querySelector('video')?.seeking")


def until(page: Any, condition: str) -> None:
    """Wait; Playwright's own waiting would need a policy that allows eval."""
    page.evaluate(f"async () => {{ while (!({condition})) await new Promise(requestAnimationFrame); }}")


def frame(page: Any) -> int:
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return int(page.get_attribute(".player", "data-frame"))


def frame_of_video(page: Any) -> float:
    """Which frame of the video is on the screen, by its grey."""
    level = page.evaluate(
        """() => {
          const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext("2d");
          context.drawImage(document.querySelector("video"), 0, 0, 1, 1);
          return context.getImageData(0, 0, 1, 1).data[0];
        }"""
    )
    return level / LEVELS


def test_plays_in_step_with_the_video(opened: Opened, document: Document) -> None:
    page = opened(document)
    page.set_viewport_size({"width": 360, "height": 300})  # quickly drawn without a GPU
    page.wait_for_selector(".player[data-playing=true]")
    until(page, "document.querySelector('video').currentTime > 0.3")
    apart = page.evaluate(
        """async () => {
          const video = document.querySelector("video"), player = document.querySelector(".player"), found = [];
          while (found.length < 15) {
            await new Promise(requestAnimationFrame); // after the page's own
            if (!video.seeking && !video.paused) found.push(player.dataset.frame - Math.floor(video.currentTime * 20));
          }
          return found;
        }"""
    )
    # Apart by more in a single picture is what this machine was busy with; apart in most is not in step.
    assert sorted(map(abs, apart))[len(apart) // 2] <= 1  # frame


@pytest.mark.parametrize("number", [0, 7, 33, 49])
def test_scrubbing_shows_the_same_frame_of_both(opened: Opened, document: Document, number: int) -> None:
    page = opened(document)
    scrub(page, number / 20 + 0.01)
    assert frame(page) == number
    assert frame_of_video(page) == pytest.approx(number, abs=0.5)


def test_steps_jumps_and_loops_by_keys(opened: Opened, document: Document) -> None:
    page = opened(document)
    scrub(page, 0.5)
    for key, expected in (("ArrowRight", 11), ("ArrowLeft", 10), ("Shift+ArrowRight", 20), ("Home", 0)):
        page.keyboard.press(key)
        assert frame(page) == expected
    page.keyboard.press("End")
    assert frame(page) == 60  # of the longest motion
    assert page.get_attribute("button[aria-label^=Repeat]", "aria-pressed") == "true"
    page.keyboard.press("l")
    assert page.get_attribute("button[aria-label^=Repeat]", "aria-pressed") == "false"
    page.keyboard.press("]")
    assert page.input_value(".speed") == "1.5"
    page.keyboard.press(" ")
    page.wait_for_selector(".player[data-playing=true]")


def test_figures_move_turn_and_can_be_hidden(opened: Opened, document: Document) -> None:
    page = opened(document)

    def picture() -> bytes:
        frame(page)
        return bytes(page.locator(".stage").screenshot())

    scrub(page, 0.1)
    first = picture()
    scrub(page, 1.4)
    moved = picture()
    assert moved != first
    box = page.locator(".stage canvas").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 320, box["y"] + 120)
    page.mouse.up()
    assert picture() != moved
    assert page.locator(".label:visible").all_inner_texts() == ["HERO", "Truth"]
    page.click(".chip >> text=Truth")
    assert page.locator(".label:visible").count() == 0
    for name in ("Trails", "Top", "Reset", "Follow"):
        page.click(f".tools >> text={name}")


def test_tracks_say_what_was_looked_at(opened: Opened, document: Document) -> None:
    page = opened(document)
    names = page.locator(".track .name").all_inner_texts()
    for name in ("Key frames (IIE)", "Looked at now (DIE)", "Attention over time (DIE)", "Tokens, 2 layers"):
        assert name in names
    scrub(page, 0.0)
    lane = page.locator(".track.attention canvas")
    box = lane.bounding_box()
    lane.click(position={"x": box["width"] / 2, "y": 5})
    assert frame(page) == pytest.approx(30, abs=1)  # of 3 s


def test_samples_switch_filter_and_sort(opened: Opened, document: Document) -> None:
    page = opened(document)
    keys = "[...document.querySelectorAll('.cell')].map((cell) => cell.dataset.key)"
    assert page.get_attribute(".player", "data-sample") == "one"
    page.click("[data-key=more3]")
    assert page.get_attribute(".player", "data-sample") == "more3"
    assert page.locator("video").count() == 0
    page.keyboard.press("n")
    assert page.get_attribute(".player", "data-sample") == "more4"
    page.keyboard.press("p")
    assert page.get_attribute(".player", "data-sample") == "more3"
    page.select_option("[aria-label=Category]", "b")
    assert len(page.evaluate(keys)) == 12
    page.select_option("[aria-label=Category]", "")
    page.click("text=Worst 20")
    worst = page.evaluate(keys)
    assert (len(worst), worst[0], worst[-1]) == (20, "more23", "more4")
    assert "20 of 25" in page.inner_text(".count")


def test_files_can_be_taken_away(opened: Opened, document: Document, tmp_path: Path) -> None:
    page = opened(document)
    with page.expect_download() as waiting:
        page.click(".save >> text=BVH")
    waiting.value.save_as(tmp_path / "walk.bvh")
    motion = document.samples[0].motions[0]
    assert read_bvh(tmp_path / "walk.bvh").fps == pytest.approx(20)
    assert (tmp_path / "walk.bvh").read_bytes() == motion.files[0].data
    with page.expect_download() as waiting:
        page.click(".save >> text=NPZ >> nth=0")
    assert waiting.value.suggested_filename == "one-HERO.npz"
    waiting.value.save_as(tmp_path / "walk.npz")
    with np.load(tmp_path / "walk.npz", allow_pickle=False) as arrays:
        assert int(arrays["fps"]) == 20
        np.testing.assert_allclose(arrays["joints"], motion.joints, atol=1e-4)


def test_nothing_of_a_hostile_document_runs(opened: Opened) -> None:
    page = opened(hostile_document())
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    assert page.inner_text("h1").startswith("</script><script>alert(1)")
    assert page.locator("img").count() == 0
    assert page.title().startswith(HOSTILE[:20])
    page.wait_for_timeout(100)
    assert dialogs == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(opened: Opened, document: Document, width: int) -> None:
    page = opened(document)
    page.set_viewport_size({"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".play").bounding_box()["width"] > 30


def test_a_wide_table_scrolls_in_itself(opened: Opened, document: Document) -> None:
    wide = ShownTable("reasons", ["reason", "files"], [["why " * 40, "clips/a_long_name.mp4, " * 20]])
    page = opened(replace(document, tables=[*document.tables, wide, wide]))
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert page.locator("table").nth(2).bounding_box()["width"] > 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
