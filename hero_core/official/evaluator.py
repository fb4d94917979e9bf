"""Import of the official motion evaluator (``text_mot_match/model/finest.tar``)."""

from pathlib import Path

from torch import Tensor

from hero_core.errors import WeightsError
from hero_core.models.evaluator import CONTACT_DIMS, UNIT_LENGTH, EvaluatorConfig, MotionEvaluator
from hero_core.official.opt_txt import read_opt_txt
from hero_core.official.reading import read_official, read_statistics, require_exact

ENCODERS = ("movement_encoder", "motion_encoder")  # text_encoder is not used for motions


def import_evaluator(model_file: Path, opt_txt: Path | None, mean: Path, std: Path) -> MotionEvaluator:
    """The official evaluator as ours, in evaluation mode.

    Args:
        model_file: its ``.tar``; sizes are read off the tensors.
        opt_txt: its options, if there; only checked against the tensors.
        mean: ``mean.npy`` of the motions it is to see, ``(motion_dim,)``.
        std: ``std.npy``, likewise. Take the files that the official run stored, never a recomputed ``Std.npy``:
            the release divides some columns twice.

    Raises:
        WeightsError: the weights cannot be read, do not fit, or contradict the options.
        InputError: statistics or options cannot be read, or do not fit the weights.
    """
    state = {
        f"{encoder}.{name}": tensor
        for encoder in ENCODERS
        for name, tensor in read_official(model_file, encoder).items()
    }
    config = _sizes(state, model_file)
    if opt_txt is not None:
        _check_options(config, opt_txt)
    evaluator = MotionEvaluator(config, *read_statistics(mean, std))
    expected = {name: tensor for name, tensor in evaluator.state_dict().items() if name.startswith(ENCODERS)}
    require_exact(state, expected, model_file)
    evaluator.load_state_dict(evaluator.state_dict() | state)
    return evaluator.eval()


def _sizes(state: dict[str, Tensor], model_file: Path) -> EvaluatorConfig:
    def shape(name: str, dims: int) -> tuple[int, ...]:
        if name not in state or state[name].ndim != dims:
            raise WeightsError(f"{model_file}: no {name} of {dims} dimensions; is this the motion evaluator?")
        return tuple(state[name].shape)

    movement_hidden, seen_dims, _ = shape("movement_encoder.main.0.weight", 3)
    return EvaluatorConfig(
        motion_dim=seen_dims + CONTACT_DIMS,
        movement_hidden=movement_hidden,
        movement_dim=shape("movement_encoder.main.3.weight", 3)[0],
        motion_hidden=shape("motion_encoder.hidden", 3)[-1],
        embedding_dim=shape("motion_encoder.output_net.3.weight", 2)[0],
    )


def _check_options(config: EvaluatorConfig, opt_txt: Path) -> None:
    options = read_opt_txt(opt_txt)
    expected = {
        "unit_length": UNIT_LENGTH,
        "dim_movement_enc_hidden": config.movement_hidden,
        "dim_movement_latent": config.movement_dim,
        "dim_motion_hidden": config.motion_hidden,
        "dim_coemb_hidden": config.embedding_dim,
    }
    for name, value in expected.items():
        if name in options and options[name] != value:
            raise WeightsError(f"{opt_txt}: {name} is {options[name]}, but the weights have {value}")
