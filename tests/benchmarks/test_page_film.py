import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image", reason="pillow is absent: pip install 'hero-motion[dev]'")
from benchmarks.page_film import LOOKED_AT_SECONDS, PICTURES_PER_SECOND, write_gif  # noqa: E402


def test_pictures_keep_their_colours_and_the_last_one_stays(tmp_path):
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    picture = np.zeros((30, 40, 3), np.uint8)
    for column, colour in enumerate(colours):
        picture[:, 10 * column : 10 * column + 10] = colour
    pictures = [np.roll(picture, 10 * step, axis=1) for step in range(3)]
    write_gif(tmp_path / "film.gif", pictures)
    shown = Image.open(tmp_path / "film.gif")
    for step in range(3):
        shown.seek(step)
        np.testing.assert_allclose(np.asarray(shown.convert("RGB")), pictures[step], atol=2)
        expected = LOOKED_AT_SECONDS if step == 2 else 1 / PICTURES_PER_SECOND
        assert shown.info["duration"] == pytest.approx(1000 * expected, abs=10)  # a GIF counts hundredths
