"""Identity tells every difference by name; the content of tensors is hashed, not their file."""

import pytest
import torch

from hero_core.fingerprint import (
    EncoderIdentity,
    FeatureIdentity,
    FeatureProvenance,
    differences,
    sha256_of_tensors,
)


def identity(dtype: str = "float32", width: int = 64) -> FeatureIdentity:
    return FeatureIdentity(
        sampling="s",
        decoding="d",
        resize="r",
        normalisation="n",
        encoder=EncoderIdentity(name="mini", architecture={"width": width}, weights_sha256="0"),
        dtype=dtype,
        storage_dtype="float32",
        batch_clips=1,
    )


def provenance(**libraries: str) -> FeatureProvenance:
    return FeatureProvenance(statement="s", weights_file=None, device="cpu", libraries=libraries)


def test_equal_settings_have_one_id() -> None:
    assert identity().id == identity().id
    assert len(identity().id) == 16
    assert differences(identity(), identity()) == []


def test_differences_are_named() -> None:
    other = identity("bfloat16", width=128)
    assert identity().id != other.id
    assert differences(identity(), other) == [
        "dtype: float32 != bfloat16",
        "encoder.architecture.width: 64 != 128",
    ]
    assert differences(provenance(av="1", torch="2"), provenance(av="1")) == ["libraries.torch: 2 != None"]


def test_the_hash_is_of_names_types_shapes_and_values_alone() -> None:
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(True)}
    reference = sha256_of_tensors(tensors)
    assert sha256_of_tensors(dict(reversed(list(tensors.items())))) == reference
    assert (
        sha256_of_tensors({**tensors, "a": torch.arange(6.0).view(3, 2).T.contiguous().T.reshape(2, 3)})
        == reference
    )
    strided = torch.stack([tensors["a"], -tensors["a"]], dim=-1)[..., 0]
    assert not strided.is_contiguous()
    assert sha256_of_tensors({**tensors, "a": strided}) == reference


@pytest.mark.parametrize(
    "changed",
    [
        {"c": torch.arange(6.0).view(2, 3)},
        {"a": torch.arange(6.0).view(3, 2)},
        {"a": torch.arange(6.0).view(2, 3).view(torch.int32)},  # the same bytes
        {"a": torch.arange(6.0).view(2, 3) + 1e-6},
        {},
    ],
)
def test_any_change_changes_the_hash(changed: dict[str, torch.Tensor]) -> None:
    assert sha256_of_tensors(changed) != sha256_of_tensors({"a": torch.arange(6.0).view(2, 3)})
