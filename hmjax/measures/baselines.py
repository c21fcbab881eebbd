"""What simple models make of images that someone brings: floors to hold a machine against.

All are fitted to the images that are trained on, and held against those that are held out, in bits
an image: pixels that know nothing of each other; a mixture of products of Bernoulli distributions
(EM, its components chosen on a tenth of what it is fitted to); and what gzip makes of the images.
"""

import functools
import gzip
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from hmjax.runtime.cipher import key_of
from hmjax.tasks import Images

COMPONENTS = 10, 30, 100, 250
"""Of a mixture, those that are tried."""

MOST_FITTED = 5000
"""Images that a mixture is fitted to, at most: the first."""

_ROUNDS = 60  # of EM
_PRIOR = 0.5  # images more of each kind, in each component


class Baselines(NamedTuple):
    """Bits an image.

    Attributes:
      independent_pixels_bits: of independent pixels.
      mixture_bits: of a mixture of products.
      mixture_components: how many it has.
      gzip_bits: of the images held out, a bit a pixel, compressed as one file.
    """

    independent_pixels_bits: float
    mixture_bits: float
    mixture_components: int
    gzip_bits: float


@functools.lru_cache(maxsize=16)
def baselines(task: Images, held_out: int) -> Baselines:
    """Those of a task, on so many of the images held out, or on all (see `Task.unseen`)."""
    drawn = task.drawn
    shares = task.shares(drawn.images)[drawn.which]
    fitted = (np.random.default_rng(0).random(shares.shape) < shares).astype(np.float64)
    tested = np.asarray(task.unseen(key_of(0), held_out).images, np.float64)
    share = (fitted.sum(axis=0) + _PRIOR) / (len(fitted) + 2 * _PRIOR)
    alone = _log_prob(tested, np.zeros(1), share[None])
    components, mixed = _mixture(fitted[:MOST_FITTED], tested)
    packed = np.packbits(tested.astype(np.uint8), axis=1).tobytes()
    return Baselines(
        float(-alone.mean() / np.log(2)),
        float(-mixed.mean() / np.log(2)),
        components,
        8 * len(gzip.compress(packed, 9)) / len(tested),
    )


def _mixture(fitted: np.ndarray, tested: np.ndarray) -> tuple[int, np.ndarray]:
    """How many components do best on a tenth of the images, and log p of those held out by it."""
    order = np.random.default_rng(0).permutation(len(fitted))
    tenth = max(1, len(fitted) // 10)
    judged, rest = fitted[order[:tenth]], fitted[order[tenth:]]
    tried = [n for n in COMPONENTS if n <= max(COMPONENTS[0], len(rest) // 4)] if len(rest) else [1]
    reached = {n: _log_prob(judged, *_fit(rest, n)).mean() for n in tried if len(rest)}
    best = max(reached, key=lambda n: reached[n], default=1)
    return best, _log_prob(tested, *_fit(fitted, best))


def _fit(images: np.ndarray, components: int) -> tuple[np.ndarray, np.ndarray]:
    """The log weights `[k]` and pixels `[k, n_0]` of a mixture, by EM."""
    rng = np.random.default_rng(0)
    # Each image belongs to a component at first, near to one that is drawn as its middle.
    middles = images[rng.choice(len(images), components, replace=components > len(images))]
    apart = (images @ (1 - middles).T) + ((1 - images) @ middles.T)
    belongs = np.zeros((len(images), components))
    belongs[np.arange(len(images)), apart.argmin(axis=1)] = 1
    for _ in range(_ROUNDS):
        count = belongs.sum(axis=0)
        log_weight = np.log((count + 1) / (len(images) + components))
        pixels = (belongs.T @ images + _PRIOR) / (count + 2 * _PRIOR)[:, None]
        joint = _log_joint(images, log_weight, pixels)
        belongs = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    return log_weight, pixels


def _log_joint(images: np.ndarray, log_weight: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    return log_weight + images @ np.log(pixels).T + (1 - images) @ np.log1p(-pixels).T


def _log_prob(images: np.ndarray, log_weight: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    return logsumexp(_log_joint(images, log_weight, pixels), axis=1)
