"""The field's numbers as pure functions of arrays; float64 inside.

Embeddings are those of the motion evaluator. Definitions follow the official evaluation code.
"""

import warnings
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hero_core.errors import InputError

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


class RankDeficientWarning(UserWarning):
    """A covariance was estimated from too few samples to have full rank."""


def fid(real: ArrayLike, generated: ArrayLike) -> float:
    """Frechet distance between Gaussians fitted to two sets of embeddings, ``(n, d)`` and ``(m, d)``.

    ``|mean1 - mean2|^2 + tr C1 + tr C2 - 2 tr sqrt(C1 C2)``, sample covariances (n - 1). With ``C = R^T R``,
    R the scaled triangle of the centred samples, ``tr sqrt(C1 C2)`` is the sum of the singular values of
    ``R1 R2^T``: always real, and exact where a matrix square root of a singular product is not.

    Raises:
        InputError: a set is not a finite ``(n, d)`` array with n >= 2, or the widths differ.
    """
    first, second = _embeddings(real, "real"), _embeddings(generated, "generated")
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"FID: real embeddings have {first.shape[1]} values, generated ones {second.shape[1]}"
        )
    samples, width = min(len(first), len(second)), first.shape[1]
    if is_rank_deficient(samples, width):
        warnings.warn(
            f"FID from {samples} samples of {width} values: the covariance is rank-deficient",
            RankDeficientWarning,
            stacklevel=2,
        )
    root1, root2 = _covariance_root(first), _covariance_root(second)  # (<= n, d), (<= m, d)
    cross = np.linalg.svd(root1 @ root2.T, compute_uv=False).sum()
    shift = first.mean(axis=0) - second.mean(axis=0)
    return float(shift @ shift + np.sum(root1**2) + np.sum(root2**2) - 2 * cross)


def kid(real: ArrayLike, generated: ArrayLike, clips: Sequence[Hashable]) -> float:
    """Kernel distance of two sets of embeddings whose rows belong together (Binkowski et al., ICLR 2018).

    The unbiased estimate of the squared maximum mean discrepancy for the kernel ``(x . y / d + 1)^3``. Of sets from one
    distribution it is 0 on average, so sometimes below; unlike FID it does not grow as sets get small. A reaction and
    the true motion of its clip are no independent draws, so embeddings of one clip are not compared (as in the
    estimate of Gretton et al., JMLR 2012, for pairs).

    Args:
        real: ``(n, d)``.
        generated: ``(n, d)``, row by row of the same clips.
        clips: of every row.

    Raises:
        InputError: the sets are no finite arrays of one shape, or of one clip only.
    """
    return KernelTerms.of(real, generated, clips).mean()


class KernelTerms(NamedTuple):
    """What KID is the mean of.

    Attributes:
        terms: ``(n, n)``, for each two rows how much more alike embeddings of one set are than those of both.
        apart: ``(n, n)``, 1 where the rows are of two clips, else 0.
    """

    terms: Array
    apart: Array

    @classmethod
    def of(cls, real: ArrayLike, generated: ArrayLike, clips: Sequence[Hashable]) -> "KernelTerms":
        """See :func:`kid`."""
        first, second = _embeddings(real, "real"), _embeddings(generated, "generated")
        if first.shape != second.shape or len(first) != len(clips):
            raise InputError(
                f"KID: {first.shape} real and {second.shape} generated embeddings of {len(clips)} rows"
            )
        numbers = {clip: number for number, clip in enumerate(dict.fromkeys(clips))}
        if len(numbers) < 2:
            raise InputError("KID: all motions are of one clip; it takes two")
        of_clip = np.array([numbers[clip] for clip in clips])
        across = _kernel(first, second)
        terms = _kernel(first, first) + _kernel(second, second) - across - across.T
        return cls(terms, (of_clip[:, None] != of_clip).astype(np.float64))

    def mean(self, rows: Indices | None = None) -> float:
        """KID of these rows, each as often as it comes; of every row once unless given. NaN of one clip's alone."""
        times = np.ones(len(self.terms))
        if rows is not None:
            times = np.bincount(rows, minlength=len(self.terms)).astype(np.float64)
        pairs = times @ self.apart @ times
        return float(times @ (self.terms * self.apart) @ times / pairs) if pairs else float("nan")


def is_rank_deficient(samples: int, width: int) -> bool:
    """Whether a sample covariance of ``width`` values from ``samples`` samples cannot have full rank."""
    return samples <= width


def diversity(embeddings: ArrayLike, pairs: int, rng: np.random.Generator) -> float:
    """Mean distance of ``pairs`` random pairs of ``(n, d)`` embeddings.

    Each side is drawn without replacement and apart from the other, so that a pair may hold one sample twice:
    the official definition.

    Raises:
        InputError: fewer than ``pairs`` embeddings, or no finite ``(n, d)`` array.
    """
    values = _embeddings(embeddings, "diversity", least=1)
    first, second = draw_pairs(len(values), pairs, rng)
    return diversity_at(values, first, second)


def diversity_at(embeddings: ArrayLike, first: Indices, second: Indices) -> float:
    """Mean distance of ``embeddings[first]`` from ``embeddings[second]``."""
    values = np.asarray(embeddings, np.float64)
    return float(np.linalg.norm(values[first] - values[second], axis=1).mean())


def multimodality(embeddings: ArrayLike, pairs: int, rng: np.random.Generator) -> float:
    """Mean distance of reactions to the same video.

    Args:
        embeddings: ``(prompts, repeats, d)``.
        pairs: pairs of repeats drawn, the same for every prompt (as in the official code).

    Raises:
        InputError: fewer than ``pairs`` repeats, or another number of axes.
    """
    values = np.asarray(embeddings, np.float64)
    if values.ndim != 3:
        raise InputError(f"multimodality: embeddings must be (prompts, repeats, d), not {values.shape}")
    first, second = draw_pairs(values.shape[1], pairs, rng)
    return multimodality_at(values, first, second)


def multimodality_at(embeddings: ArrayLike, first: Indices, second: Indices) -> float:
    """Mean over prompts of the distances of repeats ``first`` from repeats ``second``."""
    values = np.asarray(embeddings, np.float64)
    return float(np.linalg.norm(values[:, first] - values[:, second], axis=2).mean())


def draw_pairs(count: int, pairs: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Two independent draws of ``pairs`` indices below ``count``, each without replacement.

    Raises:
        InputError: there are fewer than ``pairs`` to draw from.
    """
    if pairs > count:
        raise InputError(f"{pairs} pairs cannot be drawn without replacement from {count} samples")
    return rng.choice(count, pairs, replace=False), rng.choice(count, pairs, replace=False)


def mpjpe(real: ArrayLike, predicted: ArrayLike) -> Array:
    """Mean per-joint position error in metres of each pose, relative to the pelvis (joint 0).

    Args:
        real: ``(..., joints, 3)`` positions in metres.
        predicted: as ``real``.

    Returns:
        ``(...)``, one error per pose; the evaluation averages over all poses of the set.
    """
    truth, guess = np.asarray(real, np.float64), np.asarray(predicted, np.float64)
    offset = (truth - truth[..., :1, :]) - (guess - guess[..., :1, :])
    return np.asarray(np.linalg.norm(offset, axis=-1).mean(axis=-1))


def _embeddings(values: ArrayLike, name: str, least: int = 2) -> Array:
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or len(array) < least:
        raise InputError(f"{name} embeddings must be (n, d) with n >= {least}, not {array.shape}")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array).all(axis=1)).sum())
        raise InputError(
            f"{bad} of {len(array)} {name} embeddings are not finite: the model's output is broken"
        )
    return array


def _kernel(first: Array, second: Array) -> Array:
    return np.asarray((first @ second.T / first.shape[1] + 1.0) ** 3)


def _covariance_root(samples: Array) -> Array:
    """R with ``R^T R`` the sample covariance."""
    centred = samples - samples.mean(axis=0)
    return np.asarray(np.linalg.qr(centred, mode="r") / np.sqrt(len(samples) - 1))
