import pytest

from hero_core.checkpoints import load_checkpoint
from hero_core.errors import ConfigError, WeightsError
from hero_core.models.masked import MaskedTransformer
from hero_core.runs import CODEC_KEY, codec_fingerprint, load_codec
from trainer.data import DATA_KEY
from trainer.log import read_log


@pytest.mark.parametrize("step", [2, 5])
def test_killed_and_resumed(new_run, train_tiny, same_training, step):
    whole, killed = new_run("whole"), new_run("killed")
    train_tiny("masked", whole)
    train_tiny.killed_and_resumed("masked", killed, kill_at=step)
    same_training(whole / "masked", killed / "masked")


def test_learns(new_run, train_tiny):
    run = new_run("run")
    settings = ("steps=100", "lr=5e-3", "log_every_steps=20", "milestones=[]", "evaluate_every_steps=100")
    train_tiny("masked", run, *(f"masked.training.{setting}" for setting in settings))
    losses = [line["total"] for line in read_log(run / "masked" / "log.jsonl") if line["phase"] == "train"]
    assert losses[-1] < 0.85 * losses[0]


def test_sizes_come_from_the_tokenizer_and_the_data(new_run, train_tiny):
    run = new_run("run")
    train_tiny("masked", run)
    config = MaskedTransformer.load(run / "masked" / "best").config
    assert (config.codebook_size, config.feature_dim) == (8, 16)


def test_checkpoints_say_which_tokenizer_and_data(new_run, train_tiny):
    run = new_run("run")
    train_tiny("masked", run)
    metadata = load_checkpoint(run / "masked" / "best", "masked").metadata
    assert metadata[CODEC_KEY] == codec_fingerprint(load_codec(run))
    assert metadata[DATA_KEY] == "tiny-0-tar"


def test_the_tokenizer_stays_as_it_is(new_run, train_tiny):
    run = new_run("run")
    before = codec_fingerprint(load_codec(run))
    train_tiny("masked", run)
    assert codec_fingerprint(load_codec(run)) == before


def test_needs_a_tokenizer(tmp_path, train_tiny):
    with pytest.raises(WeightsError, match="rvq"):
        train_tiny("masked", tmp_path)
    assert not (tmp_path / "masked").exists()


def test_another_tokenizer_is_not_resumed_on(new_run, train_tiny):
    run = new_run("run")
    with pytest.raises(Exception, match="^$"):
        train_tiny("masked", run, kill_at=5)
    train_tiny("rvq", run / "elsewhere", "seed=1")
    (run / "rvq").rename(run / "rvq-before")
    (run / "elsewhere" / "rvq").rename(run / "rvq")
    with pytest.raises(ConfigError, match=f"not the same {CODEC_KEY}"):
        train_tiny("masked", run, resume=True)


def test_motions_longer_than_the_model(new_run, train_tiny):
    with pytest.raises(ConfigError, match="max_tokens of at least 15"):
        train_tiny("masked", new_run("run"), "masked.model.max_tokens=14")
