"""Parts that start from the weights of another run's, not from fresh ones."""

import shutil

import pytest
import torch

from hero_core.errors import WeightsError
from hero_core.models.base import generator_class, generator_names
from hero_core.models.checkpoint import load_network
from hero_core.models.generators.hero import MaskedTransformer
from hero_core.models.generators.mdm import MdmDenoiser
from hero_core.storage import read_json, sha256_of_file
from hero_core.training_set import TrainingSet
from tests.test_toy_generator import invoke
from trainer.cli import app
from trainer.config import load_train_config
from trainer.folder import settings_for
from trainer.runs import take_part

STILL = ("masked.training.steps=1", "masked.training.lr=1e-12")
MDM = (
    *(f"denoiser.model.{size}" for size in ("latent_dim=8", "ff_size=8", "layers=1", "heads=2")),
    "denoiser.training.steps=1",
    "denoiser.training.batch_size=4",
    "denoiser.training.select_by=loss",
)


@pytest.fixture(scope="module")
def started_from(tmp_path_factory, tokenizer_run, train_tiny):
    """A run with a tokenizer and a masked transformer; tests only read it."""
    run = tmp_path_factory.mktemp("first") / "run"
    shutil.copytree(tokenizer_run, run)
    train_tiny("masked", run)
    return run


def masked_of(run, which="best"):
    return load_network(run / "masked" / f"{which}.safetensors", MaskedTransformer)[0]


def test_a_transformer_starts_from_another_runs_with_its_sizes(new_run, train_tiny, started_from):
    run, before = new_run("run"), masked_of(started_from)
    larger = ("masked.model.layers=3", "masked.model.latent_dim=32", "masked.model.dropout=0.5")
    train_tiny("masked", run, *STILL, *larger, finetune=started_from)
    after = masked_of(run, "last")
    assert after.config == before.config.model_copy(update={"dropout": 0.5})
    for name, tensor in before.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], tensor, rtol=0, atol=1e-6)
    best = started_from / "masked" / "best.safetensors"
    described = read_json(run / "masked" / "run.json")
    assert described["initial_weights"] == {"path": str(best.resolve()), "sha256": sha256_of_file(best)}
    assert described["identity"]["initial_weights"] == sha256_of_file(best)


@pytest.mark.parametrize("step", [2, 5])
def test_it_resumes_without_being_told_again(new_run, train_tiny, same_training, started_from, step):
    """Step 2 is before the first save, so that the initial weights are needed once more."""
    whole, killed = new_run("whole"), new_run("killed")
    train_tiny("masked", whole, finetune=started_from)
    train_tiny("masked", killed, finetune=started_from, kill_at=step)
    stored, _ = settings_for("masked", killed)
    assert train_tiny("masked", killed, config=stored, resume=True)
    same_training(whole / "masked", killed / "masked")
    assert take_part("masked", train_tiny.request(new_run("new")), whole, only_same=True)


def test_it_resumes_when_the_run_it_started_from_is_gone(tmp_path, new_run, train_tiny, started_from):
    first, run = tmp_path / "copy", new_run("run")
    shutil.copytree(started_from, first)
    train_tiny("masked", run, finetune=first, kill_at=5)
    shutil.rmtree(first)
    stored, _ = settings_for("masked", run)
    assert train_tiny("masked", run, config=stored, resume=True)


def test_another_codebook_or_feature_width_is_refused(tmp_path, new_run, make_data, train_tiny, started_from):
    train_tiny("rvq", tmp_path / "run", "rvq.model.codebook_size=12")
    with pytest.raises(WeightsError, match=r"cannot be the start of masked: codebook_size 8, here 12\. The"):
        train_tiny("masked", tmp_path / "run", finetune=started_from)
    wider = TrainingSet(make_data(tmp_path / "wide", feature_dim=24))
    with pytest.raises(WeightsError, match=r"feature_dim 16, here 24\. The earlier parts"):
        train_tiny("masked", new_run("wide-run"), data=wider, finetune=started_from)
    assert not (tmp_path / "run" / "masked").exists()


def test_a_run_without_the_part_or_with_another_models_is_refused(
    tmp_path, new_run, tokenizer_run, train_tiny, started_from
):
    run = new_run("run")
    with pytest.raises(WeightsError, match="neither a checkpoint nor a run with a trained masked"):
        train_tiny("masked", run, finetune=tokenizer_run)
    with pytest.raises(WeightsError, match="holds a 'hero-masked' model, expected 'momask-masked'"):
        train_tiny(
            "masked",
            run,
            config=load_train_config("momask", "demo", None, ["masked.training.select_by=loss"]),
            finetune=started_from,
        )
    official = tmp_path / "net.ckpt"
    official.write_bytes(b"")
    with pytest.raises(WeightsError, match="import-official .*net.ckpt IMPORTED --generator mdm, then"):
        train_tiny("denoiser", tmp_path / "mdm", config=load_train_config("mdm"), finetune=official)
    assert not (run / "masked").exists()


@pytest.mark.parametrize("choice", ["data", "checkpoint"])
def test_a_denoiser_normalises_by_the_statistics_it_was_told_to(tmp_path, make_data, train_tiny, choice):
    def config(*more):
        return load_train_config("mdm", None, None, [*MDM, *more])

    data = TrainingSet(make_data(tmp_path / "data", seed=1))
    train_tiny("denoiser", tmp_path / "first", config=config("denoiser.model.mask_frames=true"))
    chosen = config(f"denoiser.training.finetune_statistics={choice}", "denoiser.model.layers=2")
    train_tiny("denoiser", tmp_path / "run", config=chosen, data=data, finetune=tmp_path / "first")
    before, after = (
        load_network(tmp_path / run / "denoiser" / "last.safetensors", MdmDenoiser)[0]
        for run in ("first", "run")
    )
    assert (after.config.layers, after.config.mask_frames) == (1, True)
    same = torch.equal(before.normalisation.std, after.normalisation.std)
    assert same == (choice == "checkpoint")
    described = read_json(tmp_path / "run" / "denoiser" / "run.json")
    assert described["initial_weights"]["statistics"] == choice


def test_all_starts_the_tokenizer_alone(tmp_path, data_folder, tiny_overrides, started_from):
    run = tmp_path / "run"
    invoke(
        app, "all", data_folder, "--out", run, "--preset", "demo", *tiny_overrides, "--finetune", started_from
    )
    assert "initial_weights" in read_json(run / "rvq" / "run.json")
    assert "initial_weights" not in read_json(run / "masked" / "run.json")


def test_the_word_on_the_command_line_starts_it(new_run, data_folder, tiny_overrides, started_from):
    run = new_run("run")
    words = ("--out", run, "--preset", "demo", *tiny_overrides, "--finetune", started_from)
    invoke(app, "masked", data_folder, *words)
    assert "initial_weights" in read_json(run / "masked" / "run.json")


@pytest.mark.parametrize("kind", ["hero", "momask", "bamm", "t2mgpt", "mdm", "mld"])
def test_every_model_says_what_its_weights_are_bound_to(kind):
    assert kind in generator_names()
    for part in generator_class(kind).parts.values():
        fields = part.settings.model_fields.keys()
        assert part.settings.of_weights <= fields
        sizes = {
            "latent_dim",
            "width",
            "ff_size",
            "layers",
            "heads",
            "code_dim",
            "codebook_size",
            "quantizers",
            "diffusion_steps",
            "mask_frames",
            "predicts",
            "condition_relu",
        }
        assert part.settings.of_weights >= (sizes | {"feature_dim"}) & fields


def test_evaluators_always_start_afresh(tmp_path, train_tiny, started_from):
    assert train_tiny("evaluator", tmp_path / "run", finetune=started_from)
    assert "initial_weights" not in read_json(tmp_path / "run" / "evaluator" / "run.json")
