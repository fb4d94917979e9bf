"""Published weights to a run folder of ours: find, choose, convert strictly, write."""

from collections.abc import Mapping
from pathlib import Path

from hero_core.choices import PUBLISHED, PublishedWhich
from hero_core.errors import ConfigError, InputError
from hero_core.official.find import Skipped, choose, find_candidates, of_generator
from hero_core.official.import_alone import convert_alone
from hero_core.official.import_layout import CONVERTERS, convert_layout
from hero_core.official.imported import ImportReport, destination_of, write_run
from hero_core.runs import generator_of


def import_official(
    src: Path,
    dst: Path,
    names: Mapping[str, str] | None = None,
    which: PublishedWhich = "best",
    generator: str = "hero",
    meta: Path | None = None,
) -> ImportReport:
    """Convert published weights to a run folder of ours.

    Models are found by what their files hold. Nothing is written unless everything could be converted.

    Args:
        src: the folder of a release, a part of it, or one file.
        dst: gets ``PART/best.safetensors``, for HERO ``tc_clip/model.safetensors`` too, and ``run.json``, which says
            where everything came from.
        names: which model to take where several of a kind are found, e.g. ``{"residual": "rtrans_name"}``.
        which: of a model's files, prefer ``net_best_fid`` ("best") or the newest ("latest").
        generator: whose weights they are.
        meta: of T2M-GPT, MDM and MLD, the folder with the statistics of motions, where they are not beside the weights.

    Raises:
        InputError: ``src`` holds none of the models, a file beside the weights is missing, a name was not found,
            or ``dst`` holds such a model already.
        WeightsError: several models of a kind and no name, a file is damaged or another generator's, its tensors are
            not exactly those of the model, or models do not belong together.
        ConfigError: stored options have impossible values, or nothing of this generator can be imported.
    """
    if generator not in PUBLISHED:
        raise ConfigError(f"no weights of {generator!r} can be imported; those of {', '.join(PUBLISHED)} can")
    if meta is not None and generator in CONVERTERS:
        raise ConfigError(f"--meta: {PUBLISHED[generator]} keeps its statistics in meta/, beside model/")
    names = names or {}
    found, skipped = find_candidates(src, which, generator)
    candidates, of_others = of_generator(found, generator)
    skipped += of_others
    chosen = choose(candidates, names, generator)
    if not chosen:
        reasons = "; ".join(f"{file.path.name}: {file.reason}" for file in skipped)
        raise InputError(
            f"{src}: none of {PUBLISHED[generator]}'s models found{f' ({reasons})' if reasons else ''}"
        )
    for kind in chosen:
        if (destination := destination_of(kind, dst)).exists():
            raise InputError(f"{destination}: exists already; import into another folder")
    if generator_of(dst) not in (None, generator):
        raise InputError(f"{dst}: a run of another generator; import into another folder")
    skipped += [
        Skipped(candidate.path, f"another {candidate.kind} model was chosen, {chosen[candidate.kind].name}")
        for candidate in candidates
        if candidate not in chosen.values()
    ]
    if generator in CONVERTERS:
        imported = convert_layout(generator, chosen, which, "rvq" in names, dst)
    else:
        imported, left_out = convert_alone(generator, chosen, meta, dst)
        skipped += left_out
    write_run(imported, skipped, generator, src, dst)
    return ImportReport(dst, tuple(imported), tuple(skipped))
