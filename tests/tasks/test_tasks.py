import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_frequencies, binary, sigmoid

from hmjax import Bars, Images, InvalidInput, Shifter, Tees
from hmjax.runtime.cipher import uniforms

TASKS = [
    Shifter(),
    Shifter(width=5, p_on=0.5),
    Shifter(width=6, copies=1),
    Shifter(width=4, shifts=(-1, 0, 1)),
    Shifter(width=8, shifts=(2, -1, 1, -2)),
    Bars(),
    Bars(side=3, p_on=0.4, p_vertical=0.5),
    Tees(),
    Tees(side=4, p_place=0.4),
]

# Images that come several times, of one label or of two, and one that none is trained on.
ROWS = np.array([[0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 1]])
OF_ONES_OWN = Images(
    ROWS[[0, 0, 0, 1, 1, 2, 3]], list("aabbbab"), test=ROWS[:2], test_labels=["a", "c"]
)


@pytest.mark.parametrize("task", [*TASKS, OF_ONES_OWN], ids=str)
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
    np.testing.assert_allclose(marginal.mean(), task.p_on, rtol=1e-6)
    if not isinstance(task, Tees | Images):
        np.testing.assert_allclose(marginal, task.p_on, rtol=1e-6)


@pytest.mark.parametrize("task", [*TASKS, OF_ONES_OWN], ids=str)
def test_what_is_known_of_a_task_is_that_of_its_support(task):
    support = task.support()
    p = support.probabilities
    assert task.entropy_bits == pytest.approx(-p @ np.log2(p), rel=1e-9)
    best = p @ support.class_given_image.max(axis=1)
    assert task.best_accuracy == pytest.approx(best, rel=1e-9)
    assert len(support.images) <= task.images
    np.testing.assert_allclose(task.log_prob(jnp.asarray(support.images)), np.log(p), rtol=1e-5)
    odd = jnp.zeros((1, support.images.shape[1])).at[0, 0].set(1)
    is_possible = (support.images == np.asarray(odd)).all(axis=1).any()
    assert np.isfinite(task.log_prob(odd))[0] == is_possible


@pytest.mark.parametrize("task", [*TASKS, OF_ONES_OWN], ids=str)
def test_an_image_has_the_same_number_whenever_its_class_makes_it(task):
    uniform = uniforms(jax.random.key(0), (5_000, task.draws))
    images, labels = task.made_of(uniform)
    numbers = np.asarray(task.number_of(uniform))
    assert numbers.min() >= 0
    assert numbers.max() < task.images
    made = np.asarray(images)
    if not isinstance(task, Images):  # where labels are of what is seen, and do not make it
        made = np.column_stack([made, np.asarray(labels)])
    by_number: dict = {}
    for number, image in zip(numbers, made, strict=True):
        assert (by_number.setdefault(number, image) == image).all()
    # In lanes they are what they are alone.
    lanes = jnp.stack([uniform[:100], uniform[100:200]], axis=-1)
    np.testing.assert_array_equal(task.number_of(lanes)[..., 1], numbers[100:200])
    np.testing.assert_array_equal(task.made_of(lanes)[0][..., 1], images[100:200])


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_images_are_made_of_causes(task):
    causes = task.causes
    images, _ = task.sample(jax.random.key(3), 300)
    for image in np.asarray(images):
        fitting = causes[(causes <= image).all(axis=1)]
        np.testing.assert_array_equal(fitting.max(axis=0, initial=0), image)


def test_a_wide_shifter_is_known_without_its_support():
    wide = Shifter(width=32, p_on=0.5)
    # Rows of period 1 or 2 are the only ambiguous ones: 4 of 2^32.
    assert wide.entropy_bits == pytest.approx(33 - 4 / 2**32, abs=1e-12)
    assert wide.best_accuracy == pytest.approx(1 - 2 / 2**32, abs=1e-15)
    images, labels = wide.sample(jax.random.key(0), 50)
    np.testing.assert_allclose(wide.log_prob(images), -33 * np.log(2), rtol=1e-5)
    shown = np.asarray(wide.shows(images))
    np.testing.assert_array_equal(shown[:, 1] > 0.5, labels == 1)
    with pytest.raises(ValueError, match="8,589,934,592 images are too many to enumerate"):
        wide.support()


@pytest.mark.parametrize("task", [*TASKS, OF_ONES_OWN], ids=str)
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
    task = Shifter(p_on=p_on)
    assert len(task.support().images) == 508
    assert task.entropy_bits == pytest.approx(entropy, abs=5e-5)
    assert task.best_accuracy == pytest.approx(accuracy, abs=5e-5)


def test_the_bars_have_the_exact_facts_of_the_design():
    assert len(Bars().support().images) == 30
    assert Bars().entropy_bits == pytest.approx(3.4284, abs=5e-5)


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
        lambda: Tees(side=3),
        lambda: Tees(p_place=1.0),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(InvalidInput, match=r" is .*: must be "):
        make()
