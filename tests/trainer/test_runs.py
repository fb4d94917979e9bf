"""Parts trained into run folders: resumed, extended, fine-tuned, and taken from other runs."""

import shutil

import pytest
import torch

from hero_core.errors import ConfigError, FingerprintError, InputError, ShardError, WeightsError
from hero_core.fingerprint import sha256_of_tensors
from hero_core.models.base import TrainingFacts, VideoFeatures
from hero_core.models.checkpoint import load_network, read_header
from hero_core.models.generators.hero import MaskedTransformer, ResidualTransformer
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.runs import ENCODED_BY_KEY, generator_of, load_evaluator, load_run
from hero_core.storage import read_json, sha256_of_file, write_json
from hero_core.training_set import TrainingSet
from tests.server import served
from trainer import runs
from trainer.config import load_train_config
from trainer.folder import PartFolder, settings_for
from trainer.log import read_log
from trainer.runs import check, take_part


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, train_tiny):
    """All of it, trained without a kill; tests only read it."""
    run = tmp_path_factory.mktemp("whole")
    for name in ("rvq", "masked", "residual", "length", "evaluator", "joint_evaluator"):
        train_tiny(name, run)
    return run


def best(run, name, cls):
    return load_network(run / name / "best.safetensors", cls)[0]


STREAMING = ("reading=streaming", "shuffle_buffer=5")


@pytest.fixture(scope="module", params=["tar", "h5"])
def sharded(tmp_path_factory, make_data, request):
    """Twelve pairs to learn from in three shards."""
    return TrainingSet(
        make_data(tmp_path_factory.mktemp("shards"), shard_format=request.param, pairs_in_shard=5)
    )


@pytest.mark.parametrize(("name", "step"), [("rvq", 5), ("masked", 2), ("masked", 5), ("evaluator", 4)])
def test_a_streamed_run_is_killed_and_resumed(tmp_path, train_tiny, same_training, sharded, name, step):
    if name == "masked":
        for run in ("whole", "killed"):
            train_tiny("rvq", tmp_path / run, *STREAMING, data=sharded)
    train_tiny(name, tmp_path / "whole", *STREAMING, data=sharded)
    train_tiny(name, tmp_path / "killed", *STREAMING, data=sharded, kill_at=step)
    assert train_tiny(name, tmp_path / "killed", *STREAMING, data=sharded, resume=True)
    same_training(tmp_path / "whole" / name, tmp_path / "killed" / name)


def test_a_run_goes_on_in_its_own_order_only(tmp_path, train_tiny, same_training, sharded, monkeypatch):
    train_tiny("evaluator", tmp_path / "whole", *STREAMING, data=sharded)
    train_tiny("evaluator", tmp_path / "run", *STREAMING, data=sharded, kill_at=5)
    for other, name in (
        (("reading=mapped",), "reading"),
        ((STREAMING[0], "shuffle_buffer=4"), "shuffle_buffer"),
    ):
        with pytest.raises(ConfigError, match=f"not the same .*{name}.* as when this run started"):
            train_tiny("evaluator", tmp_path / "run", *other, data=sharded, resume=True)
    monkeypatch.setattr("trainer.data.batches.too_large", lambda *_: pytest.fail("was decided before"))
    train_tiny("evaluator", tmp_path / "run", "reading=auto", STREAMING[1], data=sharded, resume=True)
    same_training(tmp_path / "whole" / "evaluator", tmp_path / "run" / "evaluator")


def test_a_run_that_did_not_stream_does_not_begin_to(
    tmp_path, train_tiny, same_training, sharded, monkeypatch
):
    train_tiny("evaluator", tmp_path / "whole", data=sharded)
    train_tiny("evaluator", tmp_path / "run", data=sharded, kill_at=5)
    monkeypatch.setattr("trainer.data.batches.too_large", lambda *_: True)
    train_tiny("evaluator", tmp_path / "run", data=sharded, resume=True)
    same_training(tmp_path / "whole" / "evaluator", tmp_path / "run" / "evaluator")
    train_tiny("evaluator", tmp_path / "new", data=sharded)
    assert read_json(tmp_path / "new" / "evaluator" / "run.json")["identity"]["reading"] == "streaming"


def test_shards_behind_a_url_train_the_same(tmp_path, train_tiny, same_training, sharded, monkeypatch):
    """Nothing is read of the local shards: they are gone."""
    monkeypatch.setattr("hero_core.shards.remote.PAUSE_SECONDS", 0.0)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(sharded.folder, elsewhere)
    (elsewhere / "shards").rename(tmp_path / "shards")
    with served(tmp_path / "shards") as url:
        places = {"here": sharded, "far": TrainingSet(elsewhere)}
        for run, data in places.items():
            far = () if run == "here" else (f"shards={url}",)
            for name in ("rvq", "masked", "evaluator"):
                train_tiny(name, tmp_path / run, *STREAMING, *far, data=data)
    for name in ("rvq", "masked", "evaluator"):
        same_training(tmp_path / "here" / name, tmp_path / "far" / name)
    file = f"shards={(tmp_path / 'shards').as_uri()}"
    for reading in ("resident", "mapped"):
        assert train_tiny("evaluator", tmp_path / reading, f"reading={reading}", file, data=places["far"])
    with pytest.raises(ShardError, match=url):
        train_tiny("evaluator", tmp_path / "gone", f"shards={url}", data=places["far"])


@pytest.mark.parametrize(
    ("name", "loss", "steps", "lr", "share"),
    [
        ("rvq", "reconstruction", 80, 6e-3, 0.93),
        ("masked", "total", 50, 1e-2, 0.9),
        ("residual", "total", 40, 2e-2, 0.96),
        ("evaluator", "total", 40, 1e-2, 0.75),
    ],
)
def test_learns(new_run, tmp_path, train_tiny, name, loss, steps, lr, share):
    run = tmp_path / "run" if name == "rvq" else new_run("run")
    often = (f"{each}_every_steps={steps}" for each in ("evaluate", "save"))
    settings = (f"steps={steps}", f"lr={lr}", "warmup_steps=5", "milestones=[]", "log_every_steps=10", *often)
    train_tiny(name, run, *(f"{name}.training.{setting}" for setting in settings))
    lines = [line for line in read_log(run / name / "log.jsonl") if line["phase"] == "train"]
    assert lines[-1][loss] < share * lines[0][loss]


def test_what_was_trained_makes_a_generator(whole_run):
    for which in ("best", "last"):
        loaded = load_run(whole_run, which)
        assert (loaded.generator.feature_dim, loaded.generator.max_length) == (16, 200)
    assert loaded.data["name"] == "tiny"
    assert generator_of(whole_run) == "hero"
    evaluator, _ = load_evaluator(whole_run)
    joint_evaluator, _ = load_evaluator(whole_run, "joint_evaluator")
    videos = VideoFeatures(torch.zeros(2, 4, 16), torch.zeros(2, 16), torch.zeros(2, 4))
    for each in (evaluator, joint_evaluator):
        assert each.embed_videos(videos).shape == (2, 8)
    assert (evaluator.config.sees, joint_evaluator.config.sees) == ("vectors", "joints")
    with pytest.raises(WeightsError, match=r"an evaluator of joints; this is to be one of vectors"):
        load_evaluator(whole_run / "joint_evaluator")
    assert evaluator.embed(torch.zeros(2, 40, 263), torch.tensor([40, 24])).shape == (2, 8)


def test_a_run_samples_as_its_settings_say(whole_run):
    assert load_run(whole_run).generator.sampling.guidance_scale == 2  # of the demo preset


def test_a_part_is_chosen_by_what_it_generates(tmp_path, whole_run, train_tiny, make_data, monkeypatch):
    """Of data whose right answers are not known, by FID, with the run's evaluator."""
    by_reactions = "masked.training.select_by=reactions"
    run = tmp_path / "run"
    shutil.copytree(whole_run / "rvq", run / "rvq")
    with pytest.raises(WeightsError, match=r"evaluator.*missing.*masked\.training\.select_by=loss"):
        check("masked", train_tiny.request(run, by_reactions), before=[])
    check("masked", train_tiny.request(run, by_reactions), before=["evaluator"])
    single = TrainingSet(
        make_data(tmp_path / "single", {"train": (40, 47, 60, 52), "val": (30,), "test": (31,)})
    )
    with pytest.raises(ConfigError, match=r"too few validation clips.*masked\.training\.select_by=loss"):
        check("masked", train_tiny.request(run, by_reactions, data=single), before=["evaluator"])
    shutil.copytree(whole_run / "evaluator", run / "evaluator")
    made = []
    scorer = runs.ReactionScorer

    def keep(generator_of, *others):
        made.append(generator_of)
        return scorer(generator_of, *others)

    monkeypatch.setattr(runs, "ReactionScorer", keep)
    chosen = train_tiny("masked", run, by_reactions, "sampling.guidance_scale=3")
    sampling = made[0](best(run, "masked", MaskedTransformer)).sampling
    assert sampling.guidance_scale == 3  # reactions are made as the run will make them
    validations = [line for line in read_log(run / "masked" / "log.jsonl") if line["phase"] == "validation"]
    assert [line["step"] for line in validations] == [4, 7]
    assert chosen.value == min(line["fid"] for line in validations)
    assert read_json(run / "masked" / "run.json")["best"]["metric"] == "fid"
    assert all("total" in line for line in validations)  # the likelihood stays in the log


def test_what_chooses_must_stay_the_same(tmp_path, whole_run, train_tiny):
    by_reactions = "masked.training.select_by=reactions"
    run = tmp_path / "run"
    for name in ("rvq", "evaluator"):
        shutil.copytree(whole_run / name, run / name)
    train_tiny("masked", run, by_reactions, kill_at=5)
    shutil.rmtree(run / "evaluator")
    train_tiny("evaluator", run, "seed=5")
    with pytest.raises(ConfigError, match="chosen_with_evaluator"):
        train_tiny("masked", run, by_reactions, resume=True)


@pytest.mark.parametrize("name", ["rvq", "evaluator"])
def test_what_makes_no_reactions_is_not_chosen_by_them(tmp_path, train_tiny, name):
    with pytest.raises(ConfigError, match=f"{name} makes no reactions"):
        check(name, train_tiny.request(tmp_path, f"{name}.training.select_by=reactions"), before=[])


def test_frame_time_follows_the_data_where_the_settings_leave_it_to_them(tiny_config):
    tokenizer = RvqTokenizer(tiny_config().rvq.model)
    for setting, synchronous, decided in (
        ("auto", True, "rotary"),
        ("auto", False, "none"),
        ("none", True, "none"),
        ("rotary", False, "rotary"),
    ):
        config = tiny_config(f"masked.model.frame_time={setting}").masked.model
        facts = TrainingFacts(None, 16, 40, {"rvq": tokenizer}, synchronous)
        assert MaskedTransformer.build(config, facts).config.frame_time == decided


def test_sizes_come_from_the_tokenizer_and_the_data(whole_run):
    masked, residual = (
        best(whole_run, "masked", MaskedTransformer),
        best(whole_run, "residual", ResidualTransformer),
    )
    assert (masked.config.codebook_size, masked.config.feature_dim) == (8, 16)
    assert (residual.config.codebook_size, residual.config.quantizers, residual.config.feature_dim) == (
        8,
        3,
        16,
    )


def test_checkpoints_say_which_tokenizer_and_data(whole_run, data_folder):
    tokenizer = best(whole_run, "rvq", RvqTokenizer)
    for name in ("masked", "residual"):
        metadata = read_header(whole_run / name / "best.safetensors")["metadata"]
        assert metadata[ENCODED_BY_KEY] == sha256_of_tensors(tokenizer.state_dict())
        assert metadata["data"]["fingerprint"] == TrainingSet(data_folder).fingerprint
        assert (metadata["seed"], metadata["selection"]) == (3407, "validation")


def test_a_part_of_a_run_explains_itself(whole_run):
    description = read_json(whole_run / "rvq" / "run.json")
    assert description["finished"] is True
    assert description["best"]["metric"] == "reconstruction"
    assert (description["steps_per_epoch"], description["steps"]) == (191 // 4, 7)
    assert description["counts"]["training_windows"] == 191
    assert description["data"]["statement"] == "random numbers, for tests"
    assert description["settings_from"] == {"preset": "tiny"}


def test_a_finished_part_is_not_trained_again(tmp_path, whole_run, train_tiny):
    run = shutil.copytree(whole_run, tmp_path / "run")
    before = (run / "rvq" / "best.safetensors").read_bytes()
    assert train_tiny("rvq", run, resume=True) is None
    with pytest.raises(InputError, match="--resume"):
        train_tiny("rvq", run)
    assert (run / "rvq" / "best.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("override", "ignored"),
    [
        ("rvq.training.lr=0.5", "rvq.training.lr: 0.001 != 0.5"),
        ("seed=1", "seed: 3407 != 1"),
        ("rvq.model.depth=2", "rvq.model.depth: 1 != 2"),
        ("rvq.training.steps=3", "rvq.training.steps: 7 != 3"),
    ],
)
def test_a_finished_part_says_what_it_ignores(whole_run, train_tiny, override, ignored):
    with pytest.raises(ConfigError, match=f"finished, so --resume ignores what differs: {ignored}"):
        train_tiny("rvq", whole_run, override, resume=True)


@pytest.mark.parametrize(
    "override", ["masked.training.lr=1", "reading=mapped", "rvq.training.log_every_steps=1"]
)
def test_what_does_not_concern_a_finished_part_may_change(whole_run, train_tiny, override):
    assert train_tiny("rvq", whole_run, override, resume=True) is None


def test_more_steps_extend_a_finished_part(tmp_path, whole_run, train_tiny):
    run = shutil.copytree(whole_run, tmp_path / "run")
    assert train_tiny("rvq", run, "rvq.training.steps=10", resume=True)
    assert read_header(run / "rvq" / "last.safetensors")["metadata"]["step"] == 10
    assert read_json(run / "rvq" / "run.json")["steps"] == 10
    train_tiny("rvq", tmp_path / "long", "rvq.training.steps=10")
    one, other = (
        load_network(each / "rvq" / "last.safetensors", RvqTokenizer)[0] for each in (run, tmp_path / "long")
    )
    assert sha256_of_tensors(one.state_dict()) == sha256_of_tensors(other.state_dict())


def test_more_steps_and_another_learning_rate_do_not(whole_run, train_tiny):
    with pytest.raises(ConfigError, match=r"rvq\.training\.lr"):
        train_tiny("rvq", whole_run, "rvq.training.steps=12", "rvq.training.lr=0.5", resume=True)


def test_imported_weights_count_as_finished(new_run, train_tiny):
    run = new_run("imported")
    for name in ("run.json", "config.json"):
        (run / "rvq" / name).unlink()
    assert train_tiny("rvq", run, resume=True) is None


def test_settings_and_data_must_agree_and_nothing_is_overwritten(tmp_path, train_tiny, make_data):
    run = tmp_path / "run"
    train_tiny("evaluator", run, kill_at=5)
    files = [run / "evaluator" / name for name in ("config.json", "run.json")]
    before = [file.read_bytes() for file in files]
    with pytest.raises(ConfigError, match="not the same settings"):
        train_tiny("evaluator", run, "evaluator.margin=5", resume=True)
    other = TrainingSet(make_data(tmp_path / "other", seed=1))
    with pytest.raises(ConfigError, match="not the same data"):
        train_tiny("evaluator", run, data=other, resume=True)
    assert [file.read_bytes() for file in files] == before
    assert train_tiny("evaluator", run, "masked.training.lr=1", "reading=auto", resume=True)


def test_a_masked_transformer_needs_its_tokenizer(tmp_path, train_tiny, data_folder):
    command = f"train rvq first: hero-train rvq {data_folder} --out {tmp_path}"
    with pytest.raises(WeightsError, match=command):
        train_tiny("masked", tmp_path)
    assert not (tmp_path / "masked").exists()


def test_another_tokenizer_is_not_resumed_on(new_run, train_tiny):
    run = new_run("run")
    train_tiny("masked", run, kill_at=5)
    train_tiny("rvq", run / "elsewhere", "seed=1")
    shutil.rmtree(run / "rvq")
    (run / "elsewhere" / "rvq").rename(run / "rvq")
    with pytest.raises(ConfigError, match=f"not the same {ENCODED_BY_KEY}"):
        train_tiny("masked", run, resume=True)


def test_motions_longer_than_the_model(new_run, train_tiny):
    with pytest.raises(
        ConfigError, match=r"motions of 60 frames, which need masked\.model\.max_tokens of at least 15"
    ):
        train_tiny("masked", new_run("run"), "masked.model.max_tokens=14")


def test_a_model_as_long_as_the_longest_motion(new_run, train_tiny):
    for size in ("masked.model.mask_over_padded=true", "masked.model.mask_over_padded=false"):
        assert train_tiny("masked", new_run(size[-5:]), "masked.model.max_tokens=15", size)


def test_motions_alone_train_the_tokenizer_which_a_second_run_fine_tunes(tmp_path, make_data, train_tiny):
    motions = TrainingSet(make_data(tmp_path / "motions", seed=1, videos=False))
    assert train_tiny("rvq", tmp_path / "pretrained", data=motions)
    with pytest.raises(InputError, match="no videos to train masked with"):
        train_tiny("masked", tmp_path / "pretrained", data=motions)
    assert train_tiny("rvq", tmp_path / "tuned", finetune=tmp_path / "pretrained")
    assert train_tiny("masked", tmp_path / "tuned")


@pytest.mark.parametrize("choice", ["data", "checkpoint"])
def test_a_fine_tuned_tokenizer_normalises_by_the_statistics_it_was_told_to(
    tmp_path, whole_run, make_data, train_tiny, same_training, choice
):
    data = TrainingSet(make_data(tmp_path / "data", seed=1))
    settings = ("feat_bias=25", f"rvq.training.finetune_statistics={choice}")
    train_tiny("rvq", tmp_path / "tuned", *settings, data=data, finetune=whole_run)
    found = best(tmp_path / "tuned", "rvq", RvqTokenizer).normalisation
    before = best(whole_run, "rvq", RvqTokenizer).normalisation
    wanted = data.statistics().emphasised(25)
    of_data = torch.equal(found.std, torch.from_numpy(wanted.std))
    assert of_data == torch.equal(found.mean, torch.from_numpy(wanted.mean)) == (choice == "data")
    assert torch.equal(found.std, before.std) == torch.equal(found.mean, before.mean) == (not of_data)
    assert read_json(tmp_path / "tuned" / "rvq" / "run.json")["initial_weights"]["statistics"] == choice

    train_tiny("rvq", tmp_path / "killed", *settings, data=data, finetune=whole_run, kill_at=5)
    other = ("feat_bias=25", f"rvq.training.finetune_statistics={'checkpoint' if of_data else 'data'}")
    with pytest.raises(ConfigError, match="not the same settings"):
        train_tiny("rvq", tmp_path / "killed", *other, data=data, resume=True)
    assert train_tiny("rvq", tmp_path / "killed", *settings, data=data, resume=True)
    same_training(tmp_path / "tuned" / "rvq", tmp_path / "killed" / "rvq")
    request = train_tiny.request(tmp_path / "new", *other, data=data)
    assert not take_part("rvq", request, tmp_path / "tuned", only_same=True)
    request = train_tiny.request(tmp_path / "new", *settings, data=data)
    assert take_part("rvq", request, tmp_path / "tuned", only_same=True)


def test_fine_tuning_keeps_the_loaded_codes_and_sizes(tmp_path, whole_run, train_tiny):
    run = tmp_path / "tuned"
    small = ("rvq.model.width=24", "feat_bias=25", "rvq.training.steps=1", "rvq.training.lr=1e-12")
    train_tiny("rvq", run, *small, "rvq.model.code_reset=official", finetune=whole_run)
    before = best(whole_run, "rvq", RvqTokenizer)
    after, _ = load_network(run / "rvq" / "last.safetensors", RvqTokenizer)
    assert after.config == before.config.model_copy(update={"code_reset": "official"})
    for old, new in zip(before.network.quantizer.codebooks, after.network.quantizer.codebooks, strict=True):
        used = old.code_count > 1.1  # the others may be reset
        torch.testing.assert_close(old.codebook[used], new.codebook[used], rtol=0.1, atol=0.05)
    initial = read_json(run / "rvq" / "run.json")["initial_weights"]
    assert initial == {
        "path": str(whole_run / "rvq" / "best.safetensors"),
        "sha256": sha256_of_file(whole_run / "rvq" / "best.safetensors"),
        "statistics": "data",
    }


@pytest.mark.parametrize("step", [2, 5])
def test_fine_tuning_resumes_without_being_told_again(tmp_path, whole_run, train_tiny, same_training, step):
    """Step 2 is before the first save, so that the initial weights are needed once more."""
    train_tiny("rvq", tmp_path / "whole", finetune=whole_run)
    train_tiny("rvq", tmp_path / "killed", finetune=whole_run, kill_at=step)
    stored, _ = settings_for("rvq", tmp_path / "killed")
    assert train_tiny("rvq", tmp_path / "killed", config=stored, resume=True)
    same_training(tmp_path / "whole" / "rvq", tmp_path / "killed" / "rvq")


def test_fine_tuning_from_nothing(tmp_path, train_tiny):
    with pytest.raises(WeightsError, match="neither a checkpoint nor a run"):
        train_tiny("rvq", tmp_path / "run", finetune=tmp_path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("ablation", "taken"),
    [
        ("none", {"rvq", "masked", "residual", "length", "evaluator"}),
        ("no-iie", {"rvq", "length", "evaluator"}),
        ("no-die", {"rvq", "length", "evaluator"}),
    ],
)
def test_an_ablation_takes_the_parts_that_would_come_out_the_same(
    tmp_path, whole_run, train_tiny, ablation, taken
):
    run, override = tmp_path / "ablated", f"ablation={ablation}"
    copied = set()
    for name in ("rvq", "masked", "residual", "length", "evaluator"):
        if take_part(name, train_tiny.request(run, override), whole_run, only_same=True):
            copied.add(name)
            assert read_json(run / name / "run.json")["taken_from"] == str(whole_run / name)
        else:
            train_tiny(name, run, override)
    assert copied == taken
    loaded = load_run(run).generator
    assert loaded.masked.config.use_iie is loaded.residual.config.use_iie is (ablation != "no-iie")
    assert loaded.masked.config.use_die is loaded.residual.config.use_die is (ablation != "no-die")


def test_a_fine_tuned_tokenizer_is_taken_without_naming_its_start_again(tmp_path, whole_run, train_tiny):
    train_tiny("rvq", tmp_path / "tuned", finetune=whole_run)
    request = train_tiny.request(tmp_path / "new")
    assert take_part("rvq", request, tmp_path / "tuned", only_same=True)
    assert read_json(tmp_path / "new" / "rvq" / "run.json")["taken_from"] == str(tmp_path / "tuned" / "rvq")


@pytest.mark.parametrize("override", ["seed=1", "rvq.training.lr=0.5", "rvq.training.steps=5", "feat_bias=2"])
def test_a_part_that_would_come_out_otherwise_is_not_taken(tmp_path, whole_run, train_tiny, override):
    assert not take_part("rvq", train_tiny.request(tmp_path / "run", override), whole_run, only_same=True)
    assert not (tmp_path / "run").exists()


def test_neither_is_one_of_other_data_or_unfinished(tmp_path, whole_run, make_data, train_tiny):
    other = TrainingSet(make_data(tmp_path / "data", seed=1))
    assert not take_part("rvq", train_tiny.request(tmp_path / "run", data=other), whole_run, only_same=True)
    train_tiny("rvq", tmp_path / "killed", kill_at=5)
    for only_same in (False, True):
        assert not take_part("rvq", train_tiny.request(tmp_path / "run"), tmp_path / "killed", only_same)


def test_what_is_here_is_not_replaced(tmp_path, whole_run, train_tiny):
    train_tiny("rvq", tmp_path, "seed=1")
    before = (tmp_path / "rvq" / "best.safetensors").read_bytes()
    assert not take_part("rvq", train_tiny.request(tmp_path), whole_run, only_same=False)
    assert (tmp_path / "rvq" / "best.safetensors").read_bytes() == before


def test_a_part_that_was_taken_can_be_extended(tmp_path, whole_run, train_tiny):
    take_part("rvq", train_tiny.request(tmp_path), whole_run, only_same=False)
    assert train_tiny("rvq", tmp_path, resume=True) is None
    assert train_tiny("rvq", tmp_path, "rvq.training.steps=9", resume=True)


def test_a_run_with_another_tokenizer_is_not_loaded(tmp_path, whole_run, train_tiny):
    run = shutil.copytree(whole_run, tmp_path / "run")
    train_tiny("rvq", run, "rvq.training.steps=12", resume=True)
    with pytest.raises(FingerprintError, match="trained with rvq"):
        load_run(run)


def test_settings_come_from_the_run_or_the_one_that_parts_are_taken_from(tmp_path, whole_run, tiny_config):
    stored, origin = settings_for("masked", whole_run, overrides=["seed=5"])
    assert stored == tiny_config("seed=5")
    assert (origin["preset"], origin["overrides"]) == ("tiny", ["seed=5"])
    taken, _ = settings_for("masked", tmp_path / "new", overrides=["ablation=no-iie"], parts_from=whole_run)
    assert taken == tiny_config("ablation=no-iie")
    fresh, origin = settings_for("masked", tmp_path / "new")
    assert (fresh.rvq.training.epochs, origin["preset"]) == (10, "paper")
    with pytest.raises(ConfigError, match="a run of hero, not of toy"):
        settings_for("masked", whole_run, generator="toy")


def test_a_part_newer_than_the_run_has_the_settings_of_the_preset(tmp_path, train_tiny):
    run, folder = tmp_path / "run", PartFolder(tmp_path / "run", "rvq")
    train_tiny("rvq", run, "seed=5", settings_from={"preset": "demo", "overrides": []})
    path = folder.path / "config.json"
    write_json(path, {name: value for name, value in read_json(path).items() if name != "length"})
    demo = load_train_config("hero", "demo")
    settings, origin = settings_for("length", run, overrides=["length.training.steps=9"])
    assert settings.length.model == demo.length.model
    assert (settings.length.training.lr, settings.length.training.steps) == (demo.length.training.lr, 9)
    assert (settings.seed, settings.rvq, origin["preset"]) == (5, folder.stored_config().rvq, "demo")


def test_stored_settings_of_another_version_are_refused(tmp_path, train_tiny):
    train_tiny("evaluator", tmp_path)
    path = tmp_path / "evaluator" / "config.json"
    write_json(path, {**read_json(path), "unheard_of": 1})
    with pytest.raises(ConfigError, match="unheard_of"):
        PartFolder(tmp_path, "evaluator").stored_config()


def test_one_motion_for_each_video_is_other_data(train_tiny, tmp_path):
    every, first = (
        train_tiny.request(tmp_path, f"motions_per_video={which}").data for which in ("all", "first")
    )
    assert first.digest != every.digest
    assert len(first.train()) <= len(every.train())
