"""Videos and motions in, a cache out. The expensive part of HERO, done once for every input.

Every input ends as an ``ok`` row or as a quarantine row with its stage and reason. A plan says which inputs go into
which shard before the first is made, and no shard depends on another of its plan: so a killed run, run again, and runs
that share the plan out and are merged give the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hero_core.cache import Cache
from hero_core.fingerprint import FeatureProvenance, differences
from hero_core.lock import LOCK_FILE, only_writer
from hero_core.mirror import Mirror
from hero_core.progress import Progress, silent
from pipeline.agenda import Agenda, agenda, of_part
from pipeline.config import ExtractConfig
from pipeline.earlier import Earlier
from pipeline.encoders import Encoder
from pipeline.engines.work import Engine, Recipe, local
from pipeline.making import Making
from pipeline.plan import read_plan, write_plan
from pipeline.recipes import identity_of, recipes_of
from pipeline.report import ExtractReport
from pipeline.selection import Part
from pipeline.sources import Source


def extract(
    source: Source,
    out: Path,
    encoder: Encoder | None,
    config: ExtractConfig,
    report: Progress = silent,
    engine: Engine = local,
    mirror: Mirror | None = None,
    part: Part | None = None,
) -> ExtractReport:
    """Make of every video and every motion of ``source`` what the cache ``out`` does not hold yet.

    Args:
        source: what to read.
        out: the cache, new or to go on with.
        encoder: for videos; None for a source of motions alone.
        config: how.
        report: told how many inputs have their row.
        engine: where inputs are read and encoded; the bytes do not depend on it.
        mirror: of ``out``, where the cache lives in an object store.
        part: make only its shards; :func:`pipeline.merge.merge` joins caches of all parts to that of a whole run.

    Raises:
        FingerprintError: ``out`` holds features made in another way.
        InputError: ``out`` is another kind of folder; for a part, the source no longer lists what was planned.
        ConfigError: there are videos and no encoder.
        OutputError: ``out`` cannot be written, or another process writes there.
    """
    identity = identity_of(source, encoder, config)
    recipes = recipes_of(source, encoder, identity, config)
    with only_writer(out, out / LOCK_FILE) as remark:
        cache = Cache.create_or_resume(out, identity, _description(source), mirror)
        state = _brought_up_to_date(cache, recipes, config, part, report, engine)
        state.notes += [remark] if remark else []
        cache.write_quarantine()
    return state


def _brought_up_to_date(
    cache: Cache,
    recipes: Sequence[Recipe],
    config: ExtractConfig,
    part: Part | None,
    report: Progress,
    engine: Engine,
) -> ExtractReport:
    agendas = [agenda(recipe, cache, config, part) for recipe in recipes]
    state = _begun(agendas)
    for recipe, its in zip(recipes, agendas, strict=True):
        state.notes += _other_provenances(cache, recipe, its)
    report(state.done, state.inputs)
    making = Making(cache, config, state, engine, report)
    for recipe, its in zip(recipes, agendas, strict=True):
        making.make(recipe, its.resumed, its.earlier.before(its.resumed_first))
    _plan_fresh(cache, recipes, agendas)
    for recipe, its in zip(recipes, agendas, strict=True):
        making.make(recipe, of_part(part, its.fresh), _older_than_fresh(cache, recipe, its))
    return state


def _begun(agendas: Sequence[Agenda]) -> ExtractReport:
    state = ExtractReport(inputs=sum(its.kept + its.todo for its in agendas))
    state.kept = sum(its.kept for its in agendas)
    state.kept_quarantined = sum(its.kept_quarantined for its in agendas)
    if elsewhere := sum(its.elsewhere for its in agendas):
        state.notes.append(f"{elsewhere} inputs are in shards that other parts make")
    if postponed := sum(its.postponed for its in agendas):
        state.notes.append(
            f"{postponed} inputs are new or changed since this plan was shared out: merge its parts, and extract them "
            "into the merged cache"
        )
    return state


def _plan_fresh(cache: Cache, recipes: Sequence[Recipe], agendas: Sequence[Agenda]) -> None:
    """Write the next plan, of those kinds of which there is something new."""
    fresh = {recipe.kind: its.fresh for recipe, its in zip(recipes, agendas, strict=True) if its.fresh}
    if fresh or not cache.plan_path.is_file():
        write_plan(cache, read_plan(cache) | fresh)


def _older_than_fresh(cache: Cache, recipe: Recipe, its: Agenda) -> Earlier:
    """All that the cache knows before the next plan is made."""
    return Earlier.read(cache.parts(recipe.kind)) if its.resumed and its.fresh else its.earlier


def _other_provenances(cache: Cache, recipe: Recipe, its: Agenda) -> list[str]:
    """Where features of earlier runs were made otherwise, one line each."""
    if recipe.provenance is None:
        return []
    mine = FeatureProvenance.model_validate_json(recipe.provenance)
    return [
        f"features of an earlier run were made with another {line}"
        for earlier in cache.provenances(its.earlier.provenances)
        for line in differences(earlier, mine)
    ]


def _description(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "statement": source.statement,
        "kind": source.kind,
        "opened": source.place,
        "columns": dict(source.columns),
        "roots": [str(root) for root in source.roots[1:]],
    }
