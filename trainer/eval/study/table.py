"""The table of a study: all that it has measured, in rows, with what a reader has to know of them."""

from typing import Any

from hero_core.models.base import generator_class
from trainer.eval.choices import HeldOutSplit
from trainer.eval.comparison.paired import best_apart, resampled
from trainer.eval.comparison.rows import Row, control_row, judged_row, model_row, tokenizer_rows, truth_rows
from trainer.eval.comparison.table import ComparisonTable
from trainer.eval.intervals import paper_coverage
from trainer.eval.measure import CONTROL
from trainer.eval.plausibility import ROWS
from trainer.eval.study.jobs import trivial_names
from trainer.eval.study.starts import in_words
from trainer.eval.study.study import Study


def study_table(study: Study, split: HeldOutSplit = "test") -> ComparisonTable:
    """What a study that is done has measured on a split."""
    results = {entry.label: study.results(entry, split) for entry in study.entries}
    encoders = {entry.label: _encoders(entry.config.generator) for entry in study.entries}
    first: Any = results[study.entries[0].label][0]
    rows = truth_rows(first) + tokenizer_rows(results, encoders)
    if constant := judged_row(ROWS["constant"].name, "trivial", [first], "constant"):
        rows.append(constant)
    for name in trivial_names(study):
        if (measured := study.trivial_result(name, split)) is not None:
            cells = model_row(ROWS[name].name, [measured]).cells
            rows.append(Row(ROWS[name].name, "trivial", cells))
    best = _best(study, split)
    for label, of_label in results.items():
        rows.append(model_row(label, of_label, [metric for metric, model in best.items() if model == label]))
        if shuffled := judged_row(ROWS["shuffled"].name.format(model=label), "control", of_label, "shuffled"):
            rows.append(shuffled)
        if other := control_row(ROWS["other_clip"].name.format(model=label), of_label, CONTROL):
            rows.append(other)
    counts = first["counts"]
    title = (
        f"{first['data']['name']} ({split}): {counts['pairs']} motions to {counts['clips']} clips, "
        f"{study.seeds} training seed{'s' if study.seeds > 1 else ''}, "
        f"{first['config']['repeats']} repeats ({study.protocol} protocol)"
    )
    notes = [
        *_legend(study, split, first["config"]["repeats"]),
        *in_words(study.entries),
        *_own_notes(results),
    ]
    return ComparisonTable(title, rows, first["statements"], notes)


def _best(study: Study, split: HeldOutSplit) -> dict[str, str]:
    if len(study.entries) < 2:
        return {}
    return best_apart({entry.label: resampled(study.by_clip(entry, split)) for entry in study.entries})


def _encoders(generator: str) -> list[str]:
    """Parts that encode motions, which a round trip goes through."""
    parts = generator_class(generator).parts
    encoders = {part.encoded_by for part in parts.values()}
    return [name for name in parts if name in encoders]


def _legend(study: Study, split: HeldOutSplit, repeats: int) -> list[str]:
    found = ["over videos: 95 % bootstrap interval over the held-out clips: other clips, the same training"]
    if repeats > 1:
        found.insert(
            0,
            "± : 1.96 std / sqrt(repeats), the interval of the paper's tables: other draws of the same training on the "
            f"same clips; of {repeats} repeats it holds their mean in {100 * paper_coverage(repeats):.0f} % of cases",
        )
    if study.seeds > 1:
        found.append(
            f"over seeds: half the 95 % interval over {study.seeds} trainings, by Student's t; the rows above it are "
            "their means"
        )
    else:
        found.append("one training of each: how far its seed decides is not known")
    if len(study.entries) > 1:
        found.append(
            "marked: better than every other model of this table on the same clips, where the paired 95 % intervals "
            "over videos leave out 0 (FID: of the first repeat); other seeds are not in these; what is not marked is "
            "not told apart, whatever the means say"
        )
    found.append(
        "FID compares two sets of motions and hardly sees whether a reaction fits its video: read it beside the rows "
        "of another clip, whose features belong to another video"
    )
    found.append(
        "the halves are n / 2 motions each, of different clips. No lower bound: FID falls with more motions, and "
        "reactions are to the very clips, and as long as the motions, that they are compared with"
    )
    if split == "val":
        found.append("on val, which chose the checkpoints")
    return found


def _own_notes(results: Any) -> list[str]:
    """What the results themselves note, each once; what they say of intervals is in the legend."""
    notes = [note for of_label in results.values() for result in of_label for note in result["notes"]]
    return [note for note in dict.fromkeys(notes) if not note.startswith(("± ", "over clips"))]
