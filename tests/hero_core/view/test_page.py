import numpy as np
import pytest

from hero_core.view.page import EMPTY, HEADER, MARGIN, PAGE, blank_page, letterboxed, put_picture


@pytest.mark.parametrize(("height", "width"), [(90, 160), (160, 90), (3, 400), (480, 640)])
def test_letterboxing_keeps_the_aspect(height, width):
    boxed = letterboxed(np.zeros((height, width, 3), np.uint8), 64, 48)
    assert boxed.shape == (48, 64, 3)
    black = (boxed == 0).all(axis=-1)
    assert (boxed[~black] == EMPTY).all()
    shown = black.any(axis=1).sum(), black.any(axis=0).sum()
    scale = min(64 / width, 48 / height)
    assert shown == (max(1, round(height * scale)), max(1, round(width * scale)))


def test_a_picture_has_round_corners_and_stays_in_its_place():
    page = blank_page(200, 100, "title", 100, "caption")
    put_picture(page, np.zeros((60, 80, 3), np.uint8), MARGIN, HEADER)
    assert (page[HEADER, MARGIN] == PAGE).all()
    assert (page[HEADER + 59, MARGIN + 79] == PAGE).all()
    assert (page[HEADER + 12 : HEADER + 48, MARGIN : MARGIN + 80] == 0).all()
    assert (page[HEADER : HEADER + 60, MARGIN + 80 :] == PAGE).all()
