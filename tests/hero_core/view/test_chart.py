import cv2
import numpy as np
import pytest

from hero_core.view.chart import Curve, Panel, draw_chart, png, value_axis
from hero_core.view.figure import LEFT, RIGHT, START

STEPS = list(range(10, 510, 10))


def panel(values, point=None):
    return Panel("loss", [Curve("training", LEFT, STEPS, values)], point)


def pixels_of(page, colour):
    return np.argwhere((page == colour).all(axis=-1))


def test_a_curve_goes_from_where_it_begins_to_where_it_ends():
    page = draw_chart("part", "", [panel(np.linspace(4, 2, 50).tolist())], None)
    curve = pixels_of(page[90:], LEFT)
    curve = curve[curve[:, 0] > 30]  # below the newest value in the panel's head
    first, last = curve[curve[:, 1].argmin()], curve[curve[:, 1].argmax()]
    assert last[0] > first[0] + 100  # lower
    assert last[1] > first[1] + 250  # and to the right


def test_the_best_step_is_marked_in_every_panel_and_in_the_legend():
    falling = np.linspace(4, 2, 50).tolist()
    panels = [panel(falling, (250, falling[24])), panel(falling)]
    without = pixels_of(draw_chart("part", "", panels[1:], None), START)
    marked = pixels_of(draw_chart("part", "", panels, 250), START)
    assert len(without) == 0
    assert (marked[:, 0] < 70).any()  # in the legend
    left = marked[(marked[:, 0] > 90) & (marked[:, 1] < 424)]
    right = marked[(marked[:, 0] > 90) & (marked[:, 1] >= 440)]
    assert len(left) > len(right) > 20  # the line twice, the point once
    assert abs(left[:, 1].mean() - (right[:, 1].mean() - 416)) < 2


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [
        (np.geomspace(300, 1, 50), True),
        (np.linspace(5.5, 2.5, 50), False),
        (np.geomspace(0.005, 0.4, 50), False),  # rises, as an accuracy does
        (np.linspace(1, 0, 50), False),  # ends at zero
        (np.r_[1.0, np.full(48, 1.1), 0.01], False),  # one value is no fall
        (np.r_[50.0, np.full(49, 1.1)], True),  # but one at the start hides the others
    ],
)
def test_the_scale_suits_the_curve(values, logarithmic):
    assert value_axis(panel(values.tolist())).logarithmic is logarithmic
    schedule = Curve("training", LEFT, STEPS, values.tolist(), measured=False)
    assert not value_axis(Panel("learning rate", [schedule])).logarithmic


def test_equal_numbers_give_equal_bytes_and_colours_survive():
    validation = Curve("validation", RIGHT, [100, 400], [3.0, 2.5])
    panels = [Panel("loss", [*panel(np.linspace(4, 2, 50).tolist()).curves, validation])]
    data = png(draw_chart("part", "words", panels, None))
    assert data == png(draw_chart("part", "words", panels, None))
    assert data != png(draw_chart("part", "words", panels, 100))
    read = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert len(pixels_of(read, RIGHT)) > 50


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_any_number_of_panels_of_any_length(count):
    one = Panel("loss", [Curve("training", LEFT, [7], [0.5])])
    page = draw_chart("part", "", [one] * count, 7)
    assert page.dtype == np.uint8
    assert len(pixels_of(page[90:], LEFT)) > count
