"""What the pictures of a run show: fantasies, reconstructions, what they are."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import machine, measures
from hmjax.machine import Params
from hmjax.runtime.cipher import key_of
from hmjax.store.runs import Run

FANTASIES = 64


class Material(NamedTuple):
    """Samples of a run, as NumPy arrays, the same each time they are drawn.

    Attributes:
      fantasies: `[FANTASIES, rows, columns]`, of the trained machine.
      shown: `[FANTASIES]`, what each shows, an index into `hmjax.tasks.shown_names`.
      given_top: `[n_L + 1, FANTASIES, rows, columns]`, with the top one-hot and, last, all off.
      shown_given_top: `[n_L + 1, FANTASIES]`.
      dreams: `[evaluations, FANTASIES, rows, columns]`, of each snapshot.
      shown_dreams: `[evaluations, FANTASIES]`.
      inputs: `[16, rows, columns]`, of the task.
      reconstructions: `[16, rows, columns]`, p(v | x_1) with x_1 sampled from q(. | input).
    """

    fantasies: np.ndarray
    shown: np.ndarray
    given_top: np.ndarray
    shown_given_top: np.ndarray
    dreams: np.ndarray
    shown_dreams: np.ndarray
    inputs: np.ndarray
    reconstructions: np.ndarray


def gather(run: Run) -> Material:
    """Draws everything the pictures need in one compiled call."""
    task = run.experiment.task
    shape = task.image_shape
    key_fantasies, key_inputs, key_recognition = jax.random.split(key_of(0), 3)

    @jax.jit
    def draw(params: Params, snapshots: Params) -> tuple:
        # One noise for all machines, so that a dream changes only as the machine does.
        noise = machine.draw_noise(key_fantasies, run.experiment.sizes, FANTASIES)
        machines = jax.tree.map(
            lambda *leaves: jnp.concatenate(leaves), measures.variants(params), snapshots
        )
        images = jax.vmap(lambda params: machine.generate_with(noise, params)[0])(machines)
        shown = jnp.full(images.shape[:2], len(task.class_names) + 1)  # none
        if task.can_show:
            shown = jnp.argmax(jax.vmap(task.shows)(images), axis=-1)
        inputs = task.unseen(key_inputs, 16).images
        hidden = machine.recognise(key_recognition, params, inputs)[1]
        again = jax.nn.sigmoid(machine.logits(params.generative[0], hidden))
        return images, shown, inputs, again

    images, shown, inputs, again = map(np.asarray, draw(run.params, run.snapshots))
    images = images.reshape(*images.shape[:2], *shape)
    tops = run.experiment.sizes[-1] + 1
    return Material(
        fantasies=images[tops],
        shown=shown[tops],
        given_top=images[:tops],
        shown_given_top=shown[:tops],
        dreams=images[tops + 1 :],
        shown_dreams=shown[tops + 1 :],
        inputs=inputs.reshape(-1, *shape),
        reconstructions=again.reshape(-1, *shape),
    )
