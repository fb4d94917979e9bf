"""What one shard holds, and its rows: a function of its inputs, of their files and of what is older than the plan."""

from pathlib import Path

from hero_core.cache import OK, QUARANTINED, Row, record_key
from hero_core.motion.format import FPS
from hero_core.records import FeatureRecord, MotionRecord
from hero_core.shards import ArrayRecord
from hero_core.storage import sha256_of_file
from pipeline.decode.video import DecodedClip
from pipeline.earlier import Earlier
from pipeline.engines.work import Recipe
from pipeline.motions import LoadedMotion
from pipeline.workers import Outcome

_OF_THE_RECORD = ("status", "warnings", "record", "shard", "shard_sha256", "provenance", "frames", "fps")


class ShardContent:
    """Grows by what became of one input after another, in the order of the plan.

    The same content twice is made once if it is in one shard, or in an older plan. Two shards of one plan know
    nothing of each other, so that they can be made in two places.
    """

    def __init__(self, name: str, recipe: Recipe, earlier: Earlier) -> None:
        """Begin an empty one.

        Args:
            name: of the shard.
            recipe: of its inputs.
            earlier: what is older than the plan.
        """
        self.name, self._recipe, self._earlier = name, recipe, earlier
        self.rows: list[Row] = []
        self._here: dict[str, Row] = {}  # rows of this shard's records, by the record's key

    @property
    def is_empty(self) -> bool:
        """Whether it holds no record."""
        return not self._here

    def is_made(self, outcome: Outcome) -> bool:
        """Whether there is a record of this content already, here or from before."""
        key = _key(outcome)
        return key is not None and (key in self._here or self._earlier.holds(key))

    def add(self, outcome: Outcome, record: FeatureRecord | MotionRecord | None) -> ArrayRecord | None:
        """Add an input's row; returns its record if that belongs into the shard."""
        key = _key(outcome)
        row = self._row(outcome)
        self.rows.append(row)
        made = None if key is None else self._here.get(key) or self._earlier.row_of_record(key)
        if made is not None:  # the same content, of this input before or of another one
            row |= {name: made[name] for name in _OF_THE_RECORD if name in made}
        elif outcome.unchanged:
            before = self._earlier.row_of_input(outcome.input.key)
            row |= {name: before[name] for name in ("stage", "reason", "warnings")}
        elif record is not None and key is not None:
            row |= {"status": OK, "record": key, "shard": self.name, "provenance": self._recipe.provenance}
            row |= _measures(outcome)
            self._here[key] = row
            return ArrayRecord(key, record.arrays())
        return None

    def finish(self, path: Path) -> list[Row]:
        """The rows, which now name the bytes of the shard that was written to ``path``."""
        digest = None if self.is_empty else sha256_of_file(path)
        for row in self.rows:
            if row.get("shard") == self.name:
                row["shard_sha256"] = digest
        return self.rows

    def _row(self, outcome: Outcome) -> Row:
        return {
            "key": outcome.input.key,
            "kind": self._recipe.kind,
            "path": outcome.input.relative,
            "status": QUARANTINED,
            "stage": outcome.stage,
            "reason": outcome.reason,
            "warnings": list(outcome.content.warnings) if outcome.content else [],
            "sha256": outcome.sha256,
            "bytes": outcome.bytes,
            "modified_ns": outcome.modified_ns,
            "made_by": outcome.input.made_by,
        }


def _key(outcome: Outcome) -> str | None:
    """Key of the record of an outcome's content; None where nothing could be read."""
    return None if outcome.sha256 is None else record_key(outcome.sha256, outcome.input.made_by)


def _measures(outcome: Outcome) -> Row:
    content = outcome.content
    if isinstance(content, DecodedClip):
        return {"frames": content.frame_count, "fps": content.fps}
    assert isinstance(content, LoadedMotion)
    return {"frames": content.record.length, "fps": float(FPS)}
