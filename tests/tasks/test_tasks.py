import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_frequencies, binary, sigmoid

from hmjax import Bars, InvalidInput, Shifter
from hmjax.tasks import best_accuracy, entropy_bits

TASKS = [
    Shifter(),
    Shifter(width=5, p_on=0.5),
    Shifter(width=6, copies=1),
    Shifter(width=4, shifts=(-1, 0, 1)),
    Shifter(width=8, shifts=(2, -1, 1, -2)),
    Bars(),
    Bars(side=3, p_on=0.4, p_vertical=0.5),
]


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_the_support_is_a_distribution_over_distinct_images(task):
    support = task.support()
    rows, columns = task.image_shape
    assert support.images.shape[1] == rows * columns
    assert len(np.unique(support.images, axis=0)) == len(support.images)
    assert support.probabilities.sum() == pytest.approx(1)
    np.testing.assert_allclose(support.class_given_image.sum(axis=1), 1)
    certain = support.class_given_image.max(axis=1) == 1
    labels = np.asarray(task.class_labels)[support.class_given_image.argmax(axis=1)]
    np.testing.assert_array_equal(support.label, np.where(certain, labels, 0))
    marginal = support.probabilities @ support.images
    np.testing.assert_allclose(marginal, task.p_on, rtol=1e-6)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_samples_have_the_frequencies_of_the_support(task):
    images, labels = task.sample(jax.random.key(0), 50_000)
    chex.assert_type(images, jnp.float32)
    support = task.support()
    place = {image.tobytes(): i for i, image in enumerate(support.images)}
    index = np.array([place[image.tobytes()] for image in np.asarray(images)])
    which = np.searchsorted(task.class_labels, np.asarray(labels))
    joint = support.probabilities[:, None] * support.class_given_image
    assert_frequencies(index * joint.shape[1] + which, joint.ravel(), sigmas=5)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_shows_names_every_image_of_the_support(task):
    support = task.support()
    shown = np.asarray(task.shows(jnp.asarray(support.images)))
    possible = support.class_given_image > 0
    alone = possible & (possible.sum(axis=1) == 1)[:, None]
    several = possible.sum(axis=1) > 1
    expected = np.column_stack([alone, several, np.zeros(len(shown))])
    np.testing.assert_array_equal(shown, expected)


@pytest.mark.parametrize(
    "task", [Shifter(width=4, copies=1), Shifter(width=4, shifts=(-1, 0, 1), copies=1), Bars(3)]
)
def test_shows_is_the_expectation_over_independent_pixels(task):
    rows, columns = task.image_shape
    images = binary(rows * columns)
    pixel = sigmoid(np.random.default_rng(0).normal(size=rows * columns))
    probability = np.prod(np.where(images == 1, pixel, 1 - pixel), axis=1)
    support = task.support()
    place = {image.tobytes(): given for image, given in zip(*support[::3], strict=True)}
    expected = np.zeros(len(task.class_labels) + 2)
    for image, p in zip(images, probability, strict=True):
        possible = place.get(image.tobytes(), np.zeros(len(task.class_labels))) > 0
        what = {0: -1, 1: int(possible.argmax())}.get(int(possible.sum()), -2)
        expected[what] += p
    shown = task.shows(jnp.asarray(pixel, jnp.float32)[None])[0]
    np.testing.assert_allclose(shown, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("p_on", "entropy", "accuracy"),
    [(0.2, 6.6063, 0.9155), (0.3, 7.9887, 0.9692), (0.5, 8.9844, 0.9922)],
)
def test_the_shifter_has_the_exact_facts_of_the_design(p_on, entropy, accuracy):
    support = Shifter(p_on=p_on).support()
    assert len(support.images) == 508
    assert entropy_bits(support) == pytest.approx(entropy, abs=5e-5)
    assert best_accuracy(support) == pytest.approx(accuracy, abs=5e-5)


def test_the_bars_have_the_exact_facts_of_the_design():
    support = Bars().support()
    assert len(support.images) == 30
    assert entropy_bits(support) == pytest.approx(3.4284, abs=5e-5)


def test_right_is_a_roll_by_plus_one():
    images, labels = Shifter().sample(jax.random.key(1), 200)
    rows = np.asarray(images).reshape(200, 4, 8)
    for image, label in zip(rows, np.asarray(labels), strict=True):
        np.testing.assert_array_equal(image[0], image[1])
        np.testing.assert_array_equal(image[2], np.roll(image[0], label))
        np.testing.assert_array_equal(image[3], image[2])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Shifter(width=1),
        lambda: Shifter(width=40),
        lambda: Shifter(p_on=1.7),
        lambda: Shifter(p_on=float("nan")),
        lambda: Shifter(shifts=(1,)),
        lambda: Shifter(width=8, shifts=(1, 9)),
        lambda: Shifter(copies=0),
        lambda: Bars(side=1),
        lambda: Bars(p_on=0.0),
        lambda: Bars(p_vertical=1.0),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(InvalidInput, match=r" is .*: must be "):
        make()
