import numpy as np

from pipeline.data_page.tables import (
    Refused,
    against_video_table,
    bar,
    categories_table,
    lengths_table,
    measures_table,
    refused_table,
    spark,
)
from tests.pipeline.data_page.entries import entry


def test_bars() -> None:
    assert [len(bar(count, 100)) for count in (0, 1, 50, 100)] == [0, 1, 6, 12]
    assert spark(np.array([3.0, 3.0])) == ""
    assert spark(np.array([0.0] * 8 + [16.0])) == "█" + "▁" * 14 + "▂"


def test_measures_say_where_the_numbers_lie_and_count_outliers() -> None:
    entries = [entry(index, head=60.0) for index in range(99)] + [entry(99, head=-40.0)]
    rows = {row[0]: row[1:] for row in measures_table(entries).rows}
    assert rows["head (cm)"][:5] == ["-40", "59", "60", "60", "60"]
    assert rows["head (cm)"][-1] == "1"
    assert rows["long (s)"][-1] == "0"
    assert "jerk (m/s³)" not in rows  # nobody has one


def test_lengths_by_split() -> None:
    entries = [entry(0, seconds=0.5), entry(1, seconds=2.0), entry(2, split="test", seconds=2.95)]
    table = lengths_table(entries)
    assert list(table.columns) == ["", "train", "test", "all", ""]
    assert [row[:4] for row in table.rows] == [
        ["0 to 1 s", "1", "0", "1"],
        ["1 to 2 s", "0", "0", "0"],
        ["2 to 3 s", "1", "1", "2"],
    ]


def test_motions_against_their_videos() -> None:
    longer = (-3.0, -1.5, -0.5, 0.0, 0.2, 0.6, 1.2, 5.0)
    table = against_video_table([entry(index, longer=value) for index, value in enumerate(longer)])
    assert table is not None
    assert [row[1] for row in table.rows] == ["1", "1", "1", "2", "1", "1", "1"]
    assert table.rows[3][:3] == ["as long (within 0.25 s)", "2", "25.0 %"]
    assert against_video_table([entry(0)]) is None


def test_categories_the_largest_first() -> None:
    entries = [entry(0, "push", seconds=3.0), entry(1), entry(2, split="val"), entry(3, "push", split="test")]
    table = categories_table([*entries, entry(4)], "pairs")
    assert list(table.columns) == ["", "train", "val", "test", "pairs", "median length", ""]
    assert table.rows[0][:6] == ["human-human / wave", "2", "1", "0", "3", "2.0 s"]
    assert table.rows[1][:6] == ["human-human / push", "1", "0", "1", "2", "2.5 s"]


def test_reasons_alike_but_for_their_numbers_are_one() -> None:
    refused = [Refused(f"{index}.npy", f"motion: {index}.5 m tall", 2) for index in range(5)]
    table = refused_table(
        [Refused("x.mp4", "decode: no video", 1), *refused], "In quarantine", "quarantine.csv"
    )
    assert table is not None
    assert table.rows == [
        ["motion: 0.5 m tall", "5", "10", "0.npy, 1.npy, 2.npy, ..."],
        ["decode: no video", "1", "1", "x.mp4"],
    ]
    assert list(table.columns) == ["reason", "inputs", "pairs lost", "files"]
    assert refused_table([], "In quarantine", "") is None
