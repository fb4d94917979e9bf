"""Which metrics stand side by side in a table of several results, and how each is written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hero_core.minivimo.questions import QUESTIONS
from trainer.eval.comparison.paired import RIGHT
from trainer.eval.pair_measures import JOINT


class Shown(NamedTuple):
    """How a metric is written.

    Attributes:
        heading: with the unit.
        scale: what it is multiplied by.
        decimals: behind the point.
    """

    heading: str
    scale: float = 1.0
    decimals: int = 3

    def number(self, value: float) -> str:
        """A value of it."""
        return f"{self.scale * value:.{self.decimals}f}"


class Panel(NamedTuple):
    """Some of the columns of a table.

    Attributes:
        title: what they are about; of the first panel the table's own says it.
        metrics: by name, in order.
    """

    title: str
    metrics: Sequence[str]


_RIGHT = {f"{RIGHT}{question}": Shown(f"{words} %", 100, 1) for question, words in QUESTIONS.items()}
_SHOWN: Mapping[str, Shown] = {
    **_RIGHT,
    "r_precision_1": Shown("R-precision 1"),
    "r_precision_2": Shown("R-precision 2"),
    "r_precision_3": Shown("R-precision 3"),
    "mm_distance": Shown("MM distance"),
    "fid": Shown("FID"),
    "kid": Shown("KID x 1000", 1000, 2),
    "diversity": Shown("Diversity"),
    "multimodality": Shown("MModality"),
    "mpjpe_m": Shown("MPJPE (mm)", 1000, 1),
    "skating_m_s": Shown("skating (mm/s)", 1000, 0),
    "contact_skating_m_s": Shown("of own contacts (mm/s)", 1000, 0),
    "floating_m": Shown("floating (mm)", 1000, 1),
    "penetration_m": Shown("penetration (mm)", 1000, 1),
    "peak_jerk_m_s3": Shown("peak jerk (m/s³)", 1, 0),
}
_MATCHING = ("r_precision_1", "r_precision_2", "r_precision_3", "mm_distance")
_DISTANCES = ("fid", "kid", "diversity", "multimodality")
_MOVEMENT = ("skating_m_s", "contact_skating_m_s", "floating_m", "penetration_m", "peak_jerk_m_s3")
_PANELS = (
    Panel("", (*_RIGHT, "r_precision_1", "fid", "diversity", "multimodality")),
    Panel(
        "which video does it react to, and how far are the motions as a set?", (*_MATCHING, "kid", "mpjpe_m")
    ),
    Panel(
        "the same by the evaluator that sees joints only",
        tuple(f"{JOINT}{metric}" for metric in (*_MATCHING, *_DISTANCES)),
    ),
    Panel("movement", _MOVEMENT),
)


def shown(metric: str) -> Shown:
    """How a metric is written; one that is not known here by its name."""
    return _SHOWN.get(metric) or _SHOWN.get(metric.removeprefix(JOINT)) or Shown(metric.replace("_", " "))


def in_full(metric: str) -> str:
    """Its heading where metrics of both evaluators stand together."""
    return f"{shown(metric).heading}{', joints' if metric.startswith(JOINT) else ''}"


def panels(metrics: Iterable[str]) -> list[Panel]:
    """The panels of what was measured, plausibility first; what is not known here comes last."""
    measured = set(metrics)
    known = {metric for panel in _PANELS for metric in panel.metrics}
    every = [*_PANELS, Panel("other measures", sorted(measured - known))]
    found = [Panel(title, [metric for metric in names if metric in measured]) for title, names in every]
    return [panel for panel in found if panel.metrics]
