import torch

from hero_core.models.precision import product_dtype


def test_products_are_of_the_tensors_type_or_of_autocasts():
    x = torch.zeros(2)
    assert product_dtype(x) == torch.float32
    assert product_dtype(x.double()) == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert product_dtype(x) == torch.bfloat16 == (x[None] @ x[:, None]).dtype
