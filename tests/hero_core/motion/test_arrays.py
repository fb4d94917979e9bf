import contextlib
import io
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hero_core.errors import InputError
from hero_core.motion.arrays import read_npy, read_npz, read_npz_text

VALUES = np.arange(24.0).reshape(4, 3, 2)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", ">i2", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_numbers_in_any_order(tmp_path: Path, dtype: str, order: Literal["C", "F"]) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.asarray(VALUES, dtype, order=order))
    array = read_npy(path)
    np.testing.assert_array_equal(array, VALUES)
    assert array.dtype.isnative
    assert array.dtype == np.dtype(dtype).newbyteorder("=")
    assert array.flags.c_contiguous


@pytest.mark.parametrize("shape", [(), (0, 22, 3), (1,)])
def test_small_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    assert read_npy(tmp_path / "a.npy").shape == shape


def saved(array: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def header_promising(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (117 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\x00" * 64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"hello, I am a text file", "not an .npy file"),
        (b"\x93NUMPY", "damaged"),
        (saved(VALUES)[:150], "truncated"),
        (saved(VALUES)[:60], "damaged"),
        (saved(np.array([{"a": 1}], object), allow_pickle=True), "pickled"),
        (saved(np.array(["text"])), "expected numbers"),
        (header_promising("(1000000000000,)"), "truncated"),
        (header_promising("(-8,)"), "damaged"),
        (b"\x93NUMPY\x09\x00" + b"\x00" * 100, "version"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b" " * 0xFFFF, r"header is too long\); save it again"),
    ],
)
def test_bad_files_are_refused_with_the_reason(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_npy(path)
    assert str(path) in str(caught.value)


def test_large_and_missing_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES)
    with pytest.raises(InputError, match="more than"):
        read_npy(tmp_path / "a.npy", max_bytes=100)
    with pytest.raises(InputError, match="No such file"):
        read_npy(tmp_path / "b.npy")
    with pytest.raises(InputError, match="cannot be read"):
        read_npy(tmp_path)


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, 127), value=st.integers(0, 255), cut=st.integers(0, 400))
def test_damage_never_escapes_as_another_error(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int, cut: int
) -> None:
    content = bytearray(saved(VALUES))
    content[position] = value
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(bytes(content[:cut]))
    with contextlib.suppress(InputError):
        read_npy(path)


def test_archives_give_what_was_asked_for_and_open_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, poses=VALUES, gender=np.array({"is": "a pickle"}, object), rate=np.array(120.0))
    arrays = read_npz(path, ("poses",), ("rate", "absent"))
    assert set(arrays) == {"poses", "rate"}
    np.testing.assert_array_equal(arrays["poses"], VALUES)
    with pytest.raises(InputError, match="pickled"):
        read_npz(path, ("gender",))
    with pytest.raises(InputError, match="lacks trans; it holds gender, poses, rate"):
        read_npz(path, ("poses", "trans"))
    with pytest.raises(InputError, match="more than"):
        read_npz(path, ("poses",), max_bytes=100)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="archive"):
        read_npz(path, ("poses",))


def test_a_text_comes_back_as_it_was(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", words=np.array("ünï\n日本"), number=np.zeros(3))
    assert read_npz_text(tmp_path / "a.npz", "words") == "ünï\n日本"
    for name, complaint in (("number", "expected a text"), ("absent", "lacks absent")):
        with pytest.raises(InputError, match=complaint):
            read_npz_text(tmp_path / "a.npz", name)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing", b"text"])
def test_a_text_in_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz: not an \.npz archive"):
        read_npz_text(tmp_path / "a.npz", "words")
