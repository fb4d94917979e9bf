"""A training set in numbers."""

from collections import Counter
from collections.abc import Sequence

from hero_core.manifest import QUARANTINE, read_rows
from hero_core.motion.format import FPS
from hero_core.progress import Progress, silent
from hero_core.records import SPLITS, Pair, Truth
from hero_core.training_set import QUARANTINE_FILE, QUARANTINE_LIST, Sample, TrainingSet
from hero_core.view.document import ShownTable
from pipeline.data_page.contents import Contents, Drawn, Entry
from pipeline.data_page.measures import measure, sampled_video_seconds
from pipeline.data_page.tables import Refused, refused_table


def contents_of_training_set(data: TrainingSet, report: Progress = silent) -> Contents:
    """Read every pair of all splits once, from shard to shard.

    Args:
        data: the training set.
        report: told how many pairs are measured.

    Raises:
        ShardError: a shard is damaged or missing. ManifestError: so is the list of what was refused.
    """
    samples = data.read_by_training("official-test")  # of all three splits
    measured: dict[str, dict[str, float]] = {}
    entries = []
    for number, sample in enumerate(samples.in_passing(range(len(samples)))):
        entries.append(_entry(sample, measured))
        report(number + 1, len(samples))
    pairs = [row.pair for row in samples.rows]
    refused = [
        Refused(row["path"], f"{row['stage']}: {row['reason']}", row["pairs"])
        for row in read_rows(data.folder / QUARANTINE_FILE, QUARANTINE)
    ]
    in_quarantine = refused_table(refused, "In quarantine", QUARANTINE_LIST)
    facts = data.facts()
    return Contents(
        name=str(facts["name"]),
        noun="pairs",
        entries=entries,
        draw=lambda index: _drawn(samples[index]),
        before=[counts_table(pairs)],
        after=[in_quarantine or _nothing_refused()],
        notes=[
            *(str(facts[name]) for name in ("statement", "encoder_statement") if facts[name]),
            f"Split: {facts['protocol']}. Mean.npy and Std.npy: {facts['statistics_from']}.",
            *_shared(pairs, data.description.get("leaking_sources") or ()),
        ],
    )


def counts_table(pairs: Sequence[Pair]) -> ShownTable:
    """Pairs, clips and motions of every split; each motion's time counts once."""
    rows = []
    for name, members in (
        *((split, [pair for pair in pairs if pair.split == split]) for split in SPLITS),
        ("all", list(pairs)),
    ):
        lengths = {pair.motion_key: pair.length for pair in members}
        clips = len({pair.clip_key for pair in members} - {None})
        minutes = sum(lengths.values()) / FPS / 60
        subcategories = len({(pair.broad, pair.subcategory) for pair in members})
        rows.append(
            [name, *map(str, (len(members), clips, len(lengths))), f"{minutes:.1f}", str(subcategories)]
        )
    return ShownTable("Counts", ["", "pairs", "clips", "motions", "minutes", "subcategories"], rows)


def _nothing_refused() -> ShownTable:
    return ShownTable("In quarantine", ["reason", "inputs"], [["nothing: every listed pair is here", "0"]])


def _shared(pairs: Sequence[Pair], leaking_sources: Sequence[str]) -> list[str]:
    """What is in more than one split, and so is no test of what is new."""
    splits = Counter(key for key, _ in {(pair.motion_key, pair.split) for pair in pairs})
    motions = sum(count > 1 for count in splits.values())
    notes = [f"{motions} motions are in more than one split."] if motions else []
    if leaking_sources:
        first = ", ".join(leaking_sources[:3])
        notes.append(f"{len(leaking_sources)} source videos are in more than one split: {first} ...")
    return notes


def _entry(sample: Sample, measured: dict[str, dict[str, float]]) -> Entry:
    """A pair, in numbers; those of a motion are kept in ``measured`` for its other pairs."""
    pair = sample.pair
    if pair.motion_key not in measured:
        measured[pair.motion_key] = measure(sample.motion)
    numbers = dict(measured[pair.motion_key])
    facts = [("Pair", pair.key), ("Motion", pair.motion_path)]
    length = f"{pair.length} frames at {FPS} fps, {pair.length / FPS:.2f} s"
    if sample.features is not None:
        video_seconds = sampled_video_seconds(sample.features.timestamps_seconds)
        numbers["longer"] = pair.length / FPS - video_seconds
        facts.insert(1, ("Video", pair.source_video))
        length += f"; its video about {video_seconds:.1f} s"
    facts += [("Split", pair.split), ("Length", length)]
    if pair.truth is not None:
        facts.append(("Right answer", _words(pair.truth)))
    return Entry(
        key=pair.key,
        title=pair.subcategory,
        category=pair.broad,
        group=f"{pair.broad} / {pair.subcategory}",
        split=pair.split,
        numbers=numbers,
        facts=facts,
        video=None if pair.clip_key is None else pair.source_video,
    )


def _drawn(sample: Sample) -> Drawn:
    truth = sample.pair.truth
    return Drawn(
        sample.motion,
        [] if sample.features is None else sample.features.timestamps_seconds.tolist(),
        truth.onset_seconds if truth is not None and truth.moves else None,
    )


def _words(truth: Truth) -> str:
    when = f"from {truth.onset_seconds:.2f} s" if truth.moves else ""
    return ", ".join(
        filter(None, (truth.reaction.replace("_", " "), truth.side if truth.side != "none" else "", when))
    )
