from hero_core.models.base import generator_class
from hero_core.models.generators import __all__ as shipped
from trainer.preset_files import parts_with_presets, presets


def test_presets_of_a_generator_are_its_folder():
    assert presets("hero") == ["demo", "official", "paper"]
    assert presets("unheard of") == []


def test_the_parts_that_presets_name_are_those_of_the_generators_that_ship():
    kinds = [name.lower() for name in shipped]
    named = parts_with_presets()
    assert set(named) == {part for kind in kinds for part in generator_class(kind).parts}
    assert all(part in generator_class(kind).parts for part, kind in named.items())
    assert list(named)[:4] == list(generator_class("hero").parts)
