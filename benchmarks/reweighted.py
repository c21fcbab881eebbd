"""Reweighted wake-sleep in NumPy, and in PyTorch: what large machines are timed against."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.baselines import fire, sigmoid
from hmjax.machine import Params


def numpy_reweighted_step(
    params: Params,
    images: np.ndarray,
    noise_wake: Sequence[np.ndarray],
    noise_sleep: Sequence[np.ndarray],
    rate: float,
    samples: int,
) -> None:
    """One step of reweighted wake-sleep whose recognition net learns by both, in place.

    Args:
      params: a machine of float32 NumPy arrays.
      images: `[batch, n_0]`.
      noise_wake: uniform numbers for layers 1, ..., L, each `[samples * batch, n_l]`, the first
        sample of every image first.
      noise_sleep: uniform numbers for layers 0, ..., L, each `[batch, n_l]`.
      rate: the learning rate.
      samples: K, of each image.
    """
    depth, batch = len(params.generative), len(images)

    awake: list[Any] = [np.tile(images, (samples, 1))]
    log_weight = np.zeros(len(awake[0]), np.float32)
    of_recognition = []
    for level in range(depth):
        weight, bias = params.recognition[level]
        logit = awake[level] @ weight + bias
        awake.append(fire(logit, noise_wake[level]))
        log_weight -= _log_bernoulli(awake[-1], logit)
        of_recognition.append(awake[-1] - sigmoid(logit))
    of_generative = []
    for level in range(depth):
        weight, bias = params.generative[level]
        logit = awake[level + 1] @ weight + bias
        log_weight += _log_bernoulli(awake[level], logit)
        of_generative.append(awake[level] - sigmoid(logit))
    log_weight += _log_bernoulli(awake[depth], params.prior.bias)
    by_image = log_weight.reshape(samples, batch)
    odds = np.exp(by_image - by_image.max(axis=0))
    share = (odds / odds.sum(axis=0)).reshape(-1, 1) / batch

    params.prior.bias[:] += rate * (share * (awake[depth] - sigmoid(params.prior.bias))).sum(axis=0)
    learned = []
    for level in range(depth):
        weight, bias = params.generative[level]
        error = share * of_generative[level]
        weight += rate * (awake[level + 1].T @ error)
        bias += rate * error.sum(axis=0)
        error = share * of_recognition[level]
        learned.append((awake[level].T @ error, error.sum(axis=0)))

    dream: list[Any] = [fire(np.tile(params.prior.bias, (batch, 1)), noise_sleep[depth])]
    for level in reversed(range(depth)):
        weight, bias = params.generative[level]
        dream.insert(0, fire(dream[0] @ weight + bias, noise_sleep[level]))
    for level in range(depth):
        weight, bias = params.recognition[level]
        error = (dream[level + 1] - sigmoid(dream[level] @ weight + bias)) / batch
        weight += rate / 2 * (dream[level].T @ error + learned[level][0])
        bias += rate / 2 * (error.sum(axis=0) + learned[level][1])


def torch_reweighted_step(params: Any, images: Any, rate: float, samples: int) -> None:
    """The same in PyTorch, with its own draws."""
    import torch

    depth, batch = len(params.generative), len(images)

    def log_bernoulli(x: Any, logit: Any) -> Any:
        return (x * logit - torch.nn.functional.softplus(logit)).sum(dim=-1)

    awake = [images.repeat(samples, 1)]
    log_weight = torch.zeros(len(awake[0]))
    of_recognition, of_generative = [], []
    for weight, bias in params.recognition:
        logit = torch.addmm(bias, awake[-1], weight)
        on = torch.sigmoid(logit)
        awake.append(torch.bernoulli(on))
        log_weight -= log_bernoulli(awake[-1], logit)
        of_recognition.append(awake[-1] - on)
    for level, (weight, bias) in enumerate(params.generative):
        logit = torch.addmm(bias, awake[level + 1], weight)
        log_weight += log_bernoulli(awake[level], logit)
        of_generative.append(awake[level] - torch.sigmoid(logit))
    log_weight += log_bernoulli(awake[depth], params.prior.bias)
    share = torch.softmax(log_weight.reshape(samples, batch), dim=0).reshape(-1, 1) / batch

    top = share * (awake[depth] - torch.sigmoid(params.prior.bias))
    params.prior.bias.add_(top.sum(dim=0), alpha=rate)
    learned = []
    for level, (weight, bias) in enumerate(params.generative):
        error = share * of_generative[level]
        weight.addmm_(awake[level + 1].T, error, alpha=rate)
        bias.add_(error.sum(dim=0), alpha=rate)
        error = share * of_recognition[level]
        learned.append((awake[level].T @ error, error.sum(dim=0)))

    dream = [torch.bernoulli(torch.sigmoid(params.prior.bias).expand(batch, -1))]
    for weight, bias in reversed(params.generative):
        dream.insert(0, torch.bernoulli(torch.sigmoid(torch.addmm(bias, dream[0], weight))))
    for level, (weight, bias) in enumerate(params.recognition):
        logit = torch.addmm(bias, dream[level], weight)
        error = (dream[level + 1] - torch.sigmoid(logit)) / batch
        weight.add_(dream[level].T @ error + learned[level][0], alpha=rate / 2)
        bias.add_(error.sum(dim=0) + learned[level][1], alpha=rate / 2)


def _log_bernoulli(x: Any, logit: Any) -> Any:
    return (x * logit - np.logaddexp(0, logit)).sum(axis=-1)
