"""From numbers to what people read: ``result.json`` and tables of text."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from trainer.eval.evaluate import ALL, Result
from trainer.eval.held_out import HeldOutData
from trainer.eval.metrics import Interval, is_rank_deficient
from trainer.eval.plausibility import Answers, Plausibility, Share
from trainer.eval.protocol import EvaluationConfig
from trainer.eval.provenance import Provenance
from trainer.eval.scores import GroupScores, Summary

SCHEMA = "evaluation/1"
SMALL_SET = 100
PAPER_REPEATS = 20
_EMPTY = "-"
_ANSWER_ROWS = {
    "real": "true reactions",
    "reconstruction": "tokenizer round trip",
    "generated": "HERO",
    "control": "HERO, features of another clip",
}


class Table(NamedTuple):
    """Cells of text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def result_json(
    result: Result, data: HeldOutData, config: EvaluationConfig, provenance: Provenance
) -> dict[str, Any]:
    """Everything as JSON: numbers, settings, seeds, fingerprints, statements, counts, notes."""
    return {
        "schema": SCHEMA,
        "statements": statements(data),
        "notes": notes(result, data, config) + list(provenance.remarks),
        "data": {
            "name": data.description.get("name"),
            "split": data.split,
            "protocol": data.description.get("protocol"),
            "fingerprint": data.fingerprint,
            "encoder": data.description.get("encoder"),
            "features_fingerprint": data.description.get("features_fingerprint"),
        },
        "counts": {
            "pairs": len(data.pairs),
            "clips": len({pair.pair.clip_key for pair in data.pairs}),
            "motions": len({pair.pair.motion_key for pair in data.pairs}),
            "skipped_shorter_than_one_token": data.skipped,
        },
        "run": dict(provenance.run),
        "evaluator": dict(provenance.evaluator) | {"embedding_dim": result.embedding_dim},
        "device": provenance.device,
        "versions": dict(provenance.versions),
        "config": config.model_dump(mode="json"),
        "official_settings": official_settings(config),
        "metrics": {name: _group_json(group) for name, group in result.groups.items()},
        "plausibility": None if result.plausibility is None else _plausibility_json(result.plausibility),
    }


def statements(data: HeldOutData) -> list[str]:
    """What this data set is, and what made its features."""
    encoder = data.description.get("encoder") or {}
    texts = (data.description.get("statement"), encoder.get("statement"))
    return [str(text) for text in texts if text]


def notes(result: Result, data: HeldOutData, config: EvaluationConfig) -> list[str]:
    """What limits the numbers."""
    found = []
    deficient, small = [], []
    for name, group in result.groups.items():
        if is_rank_deficient(group.pairs, result.embedding_dim):
            deficient.append(f"{name} (n = {group.pairs})")
        elif group.pairs < SMALL_SET:
            small.append(f"{name} (n = {group.pairs})")
    if deficient:
        found.append(
            f"FID is rank-deficient, with no more motions than the {result.embedding_dim} embedding values, so compare "
            f"it only with FIDs on the same motions: {', '.join(deficient)}"
        )
    if small:
        found.append(f"FID on fewer than {SMALL_SET} motions is biased upwards: {', '.join(small)}")
    if data.skipped:
        found.append(f"{data.skipped} pairs left out: motions shorter than one token")
    if official := official_settings(config):
        found.append(f"official quirks on: {', '.join(official)}")
    if config.repeats < PAPER_REPEATS:
        found.append(f"{config.repeats} repeats, where the paper's protocol has {PAPER_REPEATS}")
    if config.official.random_crops and any(pair.truth for pair in data.pairs):
        found.append("plausibility not judged: randomly cropped motions have no known onset")
    found.append(
        f"intervals: 1.96 std / sqrt({config.repeats}) over repeats on the same motions; they do not cover "
        "which clips are in the split"
    )
    return found


def official_settings(config: EvaluationConfig) -> list[str]:
    """Which quirks of the official evaluation are on."""
    quirks = {f"official.{name}": on for name, on in config.official.model_dump().items()}
    quirks["sampling.decode_padded"] = config.sampling.decode_padded
    return [name for name, on in quirks.items() if on]


def tables(result: Result) -> list[Table]:
    """Everything that is shown, in order."""
    shown = [metric_table(result)]
    if (categories := category_table(result)) is not None:
        shown.append(categories)
    if result.plausibility is not None:
        shown.append(plausibility_table(result.plausibility))
        shown.append(confusion_table(result.plausibility.answers["generated"]))
    return shown


def metric_table(result: Result) -> Table:
    """The layout of the paper's Table 1, over all pairs."""
    group = result.groups[ALL]
    cells = _metric_cells(group)
    rows = [
        ("real", _EMPTY, cells["real_diversity"], _EMPTY, _EMPTY),
        (
            "tokenizer round trip",
            f"{group.reconstruction_fid:.3f}",
            _EMPTY,
            _EMPTY,
            f"{1000 * group.reconstruction_mpjpe_m:.1f}",
        ),
        ("HERO", cells["fid"], cells["diversity"], cells.get("multimodality", _EMPTY), _EMPTY),
    ]
    title = f"n = {group.pairs} motions, mean ± 95 % interval over {len(group.metrics['fid'].values)} repeats"
    return Table(title, ("method", "FID", "Diversity", "MModality", "MPJPE (mm)"), rows)


def category_table(result: Result) -> Table | None:
    """HERO's numbers by broad category; None where there is one category only."""
    categories = {name: group for name, group in result.groups.items() if name != ALL}
    if not categories:
        return None
    rows = []
    for name, group in categories.items():
        cells = _metric_cells(group)
        metrics = (
            cells.get(metric, _EMPTY) for metric in ("fid", "diversity", "multimodality", "real_diversity")
        )
        rows.append((name, str(group.pairs), *metrics))
    columns = ("category", "n", "FID", "Diversity", "MModality", "real Diversity")
    return Table("by broad category", columns, rows)


def plausibility_table(plausibility: Plausibility) -> Table:
    """How often the reaction is right, beside the control and guessing; shares of clips in percent."""
    answers = plausibility.answers
    clips = max(share.clips for share in answers["generated"].shares.values())
    questions = {
        "reaction": "reaction",
        "side": "side",
        "onset": "onset within 0.25 s",
        "all": "all of them",
    }
    rows = [
        (label, *(_share(answers[name].shares.get(question)) for question in questions))
        for name, label in _ANSWER_ROWS.items()
        if name in answers
    ]
    for name, label in (("constant", "best constant answer"), ("uniform", "uniform guess")):
        guessed = plausibility.chance[name]
        rows.append((label, *(_percent(guessed.get(question)) for question in questions)))
    reactions = answers["generated"].reactions
    title = f"plausible? n = {clips} clips, {reactions} reactions each; % of clips (95 % interval)"
    return Table(title, ("", *questions.values()), rows)


def confusion_table(answers: Answers) -> Table:
    """What each true reaction was taken for, commonest first."""
    rows = [
        (
            truth,
            _percent(judged.get(truth, 0.0)),
            ", ".join(
                f"{name} {100 * share:.0f}"
                for name, share in sorted(judged.items(), key=lambda item: -item[1])
                if name != truth and share >= 0.05
            ),
        )
        for truth, judged in answers.confusion.items()
    ]
    return Table("by reaction, %", ("true reaction", "right", "taken for (5 % and more)"), rows)


def _metric_cells(group: GroupScores) -> dict[str, str]:
    return {name: _interval(summary.interval) for name, summary in group.metrics.items()}


def _interval(interval: Interval) -> str:
    return f"{interval.mean:.3f} ± {interval.half_width:.3f}"


def _percent(share: float | None) -> str:
    return _EMPTY if share is None else f"{100 * share:.1f}"


def _share(share: Share | None) -> str:
    if share is None:
        return _EMPTY
    return f"{100 * share.share:.1f} ({100 * share.low:.0f} to {100 * share.high:.0f})"


def _group_json(group: GroupScores) -> dict[str, Any]:
    return {
        "pairs": group.pairs,
        "diversity_pairs": group.diversity_pairs,
        "real": {"diversity": _summary_json(group.metrics["real_diversity"])},
        "reconstruction": {"fid": group.reconstruction_fid, "mpjpe_m": group.reconstruction_mpjpe_m},
        "generated": {
            name: _summary_json(group.metrics[name])
            for name in ("fid", "diversity", "multimodality")
            if name in group.metrics
        },
    }


def _summary_json(summary: Summary) -> dict[str, Any]:
    return {"mean": summary.interval.mean, "ci95": summary.interval.half_width, "values": summary.values}


def _plausibility_json(plausibility: Plausibility) -> dict[str, Any]:
    return {
        "chance": plausibility.chance,
        **{
            name: asdict(answers) | {"shares": {q: share._asdict() for q, share in answers.shares.items()}}
            for name, answers in plausibility.answers.items()
        },
    }
