"""The plain loop that a step is compared with computes the same networks."""

from itertools import islice

import pytest
import torch

from benchmarks.plain_loop import plain_pairs, plain_windows, with_plain_convolutions
from benchmarks.vimo_like import FEATURE_DIM, SAMPLED_FRAMES, write_vimo_like
from hero_core.models.tokenizers.rvq import RvqTokenizer
from hero_core.models.tokenizers.rvq_config import RvqConfig
from hero_core.training_set import TrainingSet


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingSet(write_vimo_like(tmp_path_factory.mktemp("data"), training_pairs=6))


def test_the_set_is_as_it_says(data):
    samples = data.train()
    assert len(samples) == 6
    assert samples[0].video.frames.shape == (SAMPLED_FRAMES, FEATURE_DIM)
    assert all(20 <= row.pair.length < 200 for row in samples.rows)


def test_plain_batches_go_on_beyond_the_set(data):
    for batch in islice(plain_pairs(data.train(), batch_size=8), 3):
        assert batch.motion.shape == (8, 200, 263)
        assert (batch.lengths % 4 == 0).all()
    for windows in islice(plain_windows(data.train(), batch_size=8, window_frames=20), 3):
        assert windows.motion.shape == (8, 20, 263)


def test_plain_convolutions_give_the_same_tokens_and_motions():
    torch.manual_seed(0)
    ours = RvqTokenizer(RvqConfig(width=16, code_dim=8, codebook_size=16, quantizers=2, depth=2)).eval()
    for codebook in ours.network.quantizer.codebooks:
        torch.nn.init.normal_(codebook.codebook)
    plain = with_plain_convolutions(ours)
    motion, lengths = torch.randn(2, 40, 263), torch.tensor([40, 24])
    tokens = ours.encode(motion, lengths)
    assert torch.equal(plain.encode(motion, lengths), tokens)
    torch.testing.assert_close(plain.decode(tokens), ours.decode(tokens), atol=1e-5, rtol=1e-5)
