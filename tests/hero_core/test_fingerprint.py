"""Fingerprints tell every difference by name."""

from hero_core.fingerprint import EncoderFingerprint, FeatureFingerprint, NumericPath


def fingerprint(dtype: str = "float32") -> FeatureFingerprint:
    return FeatureFingerprint(
        sampling="s",
        decoding="d",
        resize="r",
        normalisation="n",
        storage_dtype="float32",
        encoder=EncoderFingerprint(
            name="mini", statement="", weights_sha256="0", image_size=112, frames=16, feature_dim=512
        ),
        numeric_path=NumericPath(device="cpu", dtype=dtype, attention="a", torch_version="2", batch_clips=1),
        decoder_versions={"av": "1"},
    )


def test_equal_settings_have_one_id() -> None:
    assert fingerprint().id == fingerprint().id
    assert fingerprint().differences(fingerprint()) == []


def test_differences_are_named() -> None:
    assert fingerprint().id != fingerprint("bfloat16").id
    assert fingerprint().differences(fingerprint("bfloat16")) == ["numeric_path.dtype: float32 != bfloat16"]
