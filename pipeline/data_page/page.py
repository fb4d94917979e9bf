"""The page: tables of all that is there, and as many motions as fit, outliers first."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hero_core.cache import CACHE_FILE, Cache
from hero_core.errors import ConfigError, InputError
from hero_core.progress import Progress, silent
from hero_core.training_set import DATASET_FILE, TrainingSet
from hero_core.view.document import Document, ShownMotion, ShownSample, ShownTable, sample_json
from hero_core.view.html import page_html, script_json
from hero_core.view.played import played_video
from pipeline.choices import PAGE_BYTES
from pipeline.data_page.cached import contents_of_cache
from pipeline.data_page.choose import choose
from pipeline.data_page.contents import Contents
from pipeline.data_page.measures import MEASURES, UNUSUAL
from pipeline.data_page.outliers import OUTLIER, Unusual, most_unusual
from pipeline.data_page.tables import against_video_table, categories_table, lengths_table, measures_table
from pipeline.data_page.training_set import contents_of_training_set

_NOTES_BYTES = 2_000  # for what is said of the choice, when it is known


def contents_of(folder: Path, report: Progress = silent) -> Contents:
    """A training set or a cache in numbers.

    Raises:
        InputError: the folder is neither, or holds no motions. ManifestError, ShardError: it is damaged.
    """
    if (folder / DATASET_FILE).is_file():
        return contents_of_training_set(TrainingSet(folder), report)
    if (folder / CACHE_FILE).is_file():
        return contents_of_cache(Cache.open(folder), report)
    raise InputError(f"{folder}: neither a training set ({DATASET_FILE}) nor a cache ({CACHE_FILE})")


def data_document(
    contents: Contents, count: int, seed: int = 0, videos: Path | None = None, most_bytes: int = PAGE_BYTES
) -> Document:
    """The page of a training set or a cache.

    Args:
        contents: what it tells.
        count: motions at most.
        seed: of those that are drawn.
        videos: folder that the data's videos lie in, to show them too.
        most_bytes: of the page. Where not everything fits, fewer motions are shown, and fewer videos.

    Raises:
        ConfigError: videos of a cache, which does not know whose they are.
        InputError: the folder has none of the videos.
    """
    matters = {measure.name: measure.matters for measure in MEASURES}
    unusual = most_unusual([entry.numbers for entry in contents.entries], matters)
    scores = [each.score for each in unusual]
    chosen = choose(contents.entries, scores, count, seed)
    page = Document(
        title=f"{contents.name}: what is in it",
        samples=[_sample(contents, chosen[0], unusual)],
        notes=contents.notes,
        metrics=[UNUSUAL, *(measure.metric for measure in MEASURES)],
        tables=_tables(contents),
    )
    room = most_bytes - len(page_html(page).encode()) - _NOTES_BYTES
    samples: dict[int, ShownSample] = {}
    for index in chosen:
        sample = page.samples[0] if index == chosen[0] else _sample(contents, index, unusual)
        room -= 0 if index == chosen[0] else _bytes(sample)
        if room < 0:
            break
        samples[index] = sample
    notes = _how_chosen(contents, len(samples), scores, seed)
    ordered = sorted(samples, key=lambda index: (-scores[index], index))
    if videos is not None:
        notes.append(_with_videos(contents, samples, ordered, videos, room))
    shown = "all shown" if len(samples) == len(scores) else f"{len(samples)} of them shown"
    return replace(
        page,
        subtitle=f"{len(scores)} {contents.noun} measured, {shown}, outliers first",
        samples=[samples[index] for index in ordered],
        notes=[*notes, *contents.notes],
    )


def _tables(contents: Contents) -> list[ShownTable]:
    entries = contents.entries
    against = against_video_table(entries)
    return [
        *contents.before,
        measures_table(entries),
        *contents.after,
        categories_table(entries, contents.noun),
        lengths_table(entries),
        *([] if against is None else [against]),
    ]


def _sample(contents: Contents, index: int, unusual: Sequence[Unusual]) -> ShownSample:
    entry, drawn, (score, farthest) = contents.entries[index], contents.draw(index), unusual[index]
    known = {each.name: each for each in MEASURES if each.name in entry.numbers}
    why = f"{known[farthest].label}, {score:.1f} robust standard deviations from the median"
    return ShownSample(
        key=entry.key,
        title=entry.title.replace("_", " "),
        category=entry.category,
        facts=[*entry.facts, *([("Most unusual in", why)] if score > OUTLIER else [])],
        metrics={
            UNUSUAL.name: score,
            **{name: measure.rounded(entry.numbers[name]) for name, measure in known.items()},
        },
        motions=[ShownMotion.of_vectors("Motion", drawn.vectors, "truth")],
        sampled_seconds=drawn.sampled_seconds,
        moment_seconds=drawn.moment_seconds,
    )


def _how_chosen(contents: Contents, shown: int, scores: Sequence[float], seed: int) -> list[str]:
    """How many of how many are drawn, and which."""
    noun, everything = contents.noun, len(contents.entries)
    far = sum(score > OUTLIER for score in scores)
    outliers = (
        f"Unusual is the largest distance from the median over all measures, in robust standard deviations; {far} of "
        f"{everything} {noun} are beyond {OUTLIER}."
    )
    if shown == everything:
        return [f"All {everything} {noun} are shown.", outliers]
    half = (shown + 1) // 2
    return [
        f"{shown} of {everything} {noun} are shown: the {half} most unusual, and {shown - half} drawn by seed {seed} "
        "in equal shares of the categories. The tables count all.",
        outliers,
    ]


def _with_videos(
    contents: Contents, samples: dict[int, ShownSample], order: Sequence[int], folder: Path, room: int
) -> str:
    """Put into samples the videos that fit, in this order, and say how many did."""
    wanted = [(index, name) for index in order if (name := contents.entries[index].video) is not None]
    if not wanted:
        raise ConfigError("--videos: there are no pairs with a video here")
    found, shown = 0, 0
    for index, name in wanted:
        video = played_video(folder, name)
        if video is None:
            continue
        found += 1
        sample = replace(samples[index], video=video)
        more = _bytes(sample) - _bytes(samples[index])
        if more <= room:
            samples[index] = sample
            shown, room = shown + 1, room - more
    if not found:
        raise InputError(f"{folder}: none of the videos is here that browsers play, e.g. {wanted[0][1]}")
    return (
        f"{shown} of {len(wanted)} videos are in the page; the others would make it too large, are too large "
        "themselves, or are of a kind that browsers do not play."
        if shown < len(wanted)
        else f"All {shown} videos are in the page."
    )


def _bytes(sample: ShownSample) -> int:
    return len(script_json(sample_json(sample)).encode()) + 1
