from pathlib import Path

import pytest

from hero_core.errors import InputError
from hero_core.official.options import read_options, require_option

HEAD, TAIL = "------------ Options -------------", "-------------- End ----------------"


def _text(*lines: str) -> str:
    return "\n".join((HEAD, *lines, TAIL, ""))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("True", True),
        ("False", False),
        ("None", None),
        ("256", 256),
        ("-1", -1),
        ("0.02", 0.02),
        ("-0.5", -0.5),
        ("1e-05", 1e-05),
        ("2.5E+3", 2500.0),
        ("[1600, 3200]", [1600, 3200]),
        ("['a', 0.5]", ["a", 0.5]),
        ("[not a list", "[not a list"),
        ("[name]", "[name]"),
        ("l1_smooth", "l1_smooth"),
        ("rvq_nq6_dc512_nc512_noshare_qdp0.2", "rvq_nq6_dc512_nc512_noshare_qdp0.2"),
        ("./checkpoints/vimo: the second", "./checkpoints/vimo: the second"),
        ("1.2.3", "1.2.3"),
        ("2024-10-11", "2024-10-11"),
        ("(1, 2)", "(1, 2)"),
        ("{[]: 1}", "{[]: 1}"),
        ("__import__('os')", "__import__('os')"),
        ("", ""),
    ],
)
def test_values_have_their_real_types(tmp_path: Path, written: str, value: object) -> None:
    (tmp_path / "opt.txt").write_text(_text(f"option: {written}"))
    parsed = read_options(tmp_path / "opt.txt")["option"]
    assert parsed == value
    assert type(parsed) is type(value)


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "opt.txt"
    path.write_text(
        "started at noon\n" + _text("lr: 0.0002", "", "finetune_model_dir:", "name: run") + "bye\n"
    )
    assert read_options(path) == {"lr": 0.0002, "finetune_model_dir": "", "name": "run"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: 0.1\n", "expected options between two dashed lines"),
        (f"{HEAD}\nlr: 0.1\n", "expected options between two dashed lines"),
        (_text("lr: 0.1", "nonsense"), r"opt\.txt, line 3: expected 'key: value', found 'nonsense'"),
        (_text(": 3"), "line 2: expected 'key: value'"),
        (_text("lr: 0.1", "lr: 0.2"), "line 3: option lr appears twice"),
    ],
)
def test_what_is_not_an_options_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "opt.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_options(tmp_path / "opt.txt")


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such options file"):
        read_options(tmp_path / "opt.txt")
    (tmp_path / "opt.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as text"):
        read_options(tmp_path / "opt.txt")


def test_a_missing_option_is_named() -> None:
    assert require_option({"lr": None}, "lr", Path("opt.txt")) is None
    with pytest.raises(InputError, match=r"opt\.txt: option nb_code is missing"):
        require_option({}, "nb_code", Path("opt.txt"))
