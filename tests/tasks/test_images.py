"""Images of one's own: what is made of an array, and what is drawn of it."""

import dataclasses

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hmjax
from hmjax import Images, InvalidInput
from hmjax.runtime.cipher import uniforms
from hmjax.tasks import Table, table_of
from hmjax.tasks.table import LEVELS

GREY = np.array([[0.0, 4, 8, 16], [16, 12, 4, 0], [2, 2, 2, 2]])


def test_equal_images_are_one_with_its_count():
    task = Images([[1, 0], [0, 1], [1, 0], [1, 0]])
    np.testing.assert_array_equal(task.support().images, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(task.support().probabilities, [0.25, 0.75])
    assert task.images == 2
    assert task.entropy_bits == pytest.approx(2 - 0.75 * np.log2(3))
    assert task.class_names == ("all",)
    # Half an image more of each kind.
    np.testing.assert_allclose(task.visible_logit, np.log([3.5 / 1.5, 1.5 / 3.5]))


@hypothesis.given(
    images=hnp.arrays(
        np.uint8, st.tuples(st.integers(2, 30), st.integers(1, 20)), elements=st.integers(0, 1)
    ),
    shares=st.tuples(st.floats(0, 0.9), st.floats(0, 0.9)),
    seed=st.integers(0, 9),
)
def test_every_image_is_trained_on_or_held_out_and_a_table_is_what_its_file_says(
    images, shares, seed
):
    hypothesis.assume(images.min() != images.max())
    n = len(images)
    last = round(shares[0] * n)
    before = round(shares[1] * (n - last))
    for part, of, share in ((last, n, shares[0]), (before, n - last, shares[1])):
        hypothesis.assume(0 < part < of or not share)
    given = {"held_out": shares[0], "validation": shares[1], "split_seed": seed}
    table = table_of(images, np.arange(n), **given)
    parts = table.parts
    order = np.random.default_rng(seed).permutation(n) if any(shares) else np.arange(n)
    np.testing.assert_array_equal(parts.images, images[order])
    np.testing.assert_array_equal(parts.classes[parts.labels].astype(int), order)
    np.testing.assert_array_equal(parts.held_out, np.arange(n) >= n - last)
    between = (np.arange(n) >= n - last - before) & ~parts.held_out
    np.testing.assert_array_equal(parts.validation, between)
    again = Table.from_arrays(table.arrays())
    assert again == table
    assert hash(again) == hash(table)
    assert again != table_of(1 - images, np.arange(n), **given)


def test_a_threshold_is_the_least_that_is_on():
    task = Images(GREY, threshold=4)
    np.testing.assert_array_equal(task.table.parts.images, GREY >= 4)


def test_grey_levels_are_drawn_anew_whenever_they_are_seen():
    task = Images(GREY, binarise="sample", test=GREY[:1])
    assert task.draws == 1 + 4
    assert task.images > 2**60
    assert np.isnan(task.entropy_bits)
    n = 40_000
    images, _ = task.sample(jax.random.key(0), n)
    np.testing.assert_array_equal(np.unique(images), [0, 1])
    share = np.round(GREY / 16 * LEVELS) / LEVELS
    mean = share.mean(axis=0)
    error = np.sqrt(mean * (1 - mean) / n)
    np.testing.assert_array_less(np.abs(np.asarray(images).mean(axis=0) - mean), 4 * error)
    # Of those held out, with the same key the same, with another others.
    unseen = [task.unseen(jax.random.key(k), 5).images for k in (0, 0, 1, 2, 3)]
    np.testing.assert_array_equal(unseen[0], unseen[1])
    assert any((each != unseen[0]).any() for each in unseen[2:])
    assert all(each[0, 0] == 0 and each[0, 3] == 1 for each in unseen)


def test_what_is_held_out_is_measured_on_once_each():
    rows = np.eye(6, dtype=int)
    task = Images(rows[:4], test=rows[4:])
    images, labels, weights = task.unseen(jax.random.key(0), 100)
    np.testing.assert_array_equal(images, rows[4:])
    np.testing.assert_array_equal(labels, [1, 1])
    np.testing.assert_array_equal(weights, [0.5, 0.5])
    assert task.has_held_out
    # Without, on what is trained on.
    alone = Images(rows[:4])
    assert not alone.has_held_out
    np.testing.assert_array_equal(alone.unseen(jax.random.key(0), 3).images, rows[:3])


def test_of_many_that_are_held_out_those_measured_on_are_spread_over_all_of_them():
    rows = np.eye(60, dtype=int)  # in order, as a file may be
    task = Images(
        rows, [k // 20 for k in range(60)], test=rows, test_labels=[k // 20 for k in range(60)]
    )
    images, labels, weights = task.unseen(jax.random.key(0), 12)
    np.testing.assert_array_equal(np.argmax(images, axis=1), np.arange(0, 60, 5))
    np.testing.assert_array_equal(np.bincount(labels)[1:], [4, 4, 4])
    np.testing.assert_allclose(weights, 1 / 12)


def test_tables_side_by_side_are_what_they_are_alone():
    rng = np.random.default_rng(0)
    whole = Images(rng.integers(0, 2, (60, 8)), rng.integers(0, 3, 60), held_out=0.3)
    each = [dataclasses.replace(whole, only=label) for label in whole.class_names]
    sizes = [(len(task.drawn.images), len(task.drawn.held_out)) for task in each]
    assert len(set(sizes)) > 1  # so that some are padded
    outline, arrays = whole.outline(each), whole.arrays(each)
    uniform = uniforms(jax.random.key(0), (200, outline.draws))
    together = jnp.stack([uniform] * len(each), axis=-1)
    tables = arrays | {"table": jnp.arange(len(each))}
    images, labels = outline.made_of(together, tables)
    numbers = outline.number_of(together, tables)
    for k, task in enumerate(each):
        mine = task.made_of(uniform)
        np.testing.assert_array_equal(images[..., k], mine[0])
        np.testing.assert_array_equal(labels[..., k], mine[1])
        np.testing.assert_array_equal(numbers[..., k], task.number_of(uniform))
        unseen = outline.unseen(jax.random.key(0), 99, arrays | {"table": k})
        own = task.unseen(jax.random.key(0), 99)
        assert float(unseen.weights.sum()) == pytest.approx(1)
        np.testing.assert_allclose(
            unseen.weights @ unseen.images, own.weights @ own.images, rtol=1e-6
        )


def test_an_outline_knows_no_image():
    first, second = (Images(rows) for rows in (np.eye(4), 1 - np.eye(4)))
    assert first != second
    assert first.outline([first]) == second.outline([second])
    assert hash(first.outline([first])) == hash(second.outline([second]))


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ([np.zeros((0, 4))], {}, "images are of shape [0, 4]: must be one or more"),
        ([np.zeros(4)], {}, "images are of shape [4]: must be [n, rows, columns] or [n, pixels]"),
        ([np.zeros((2, 2, 2, 2))], {}, "images are of shape [2, 2, 2, 2]"),
        ([[[0, 1], [1, np.nan]]], {}, "images: number 1, counted from 0, is not finite"),
        ([GREY], {}, "images have values from 0 to 16: must be 0 and 1 alone, or be made so"),
        ([["ab", "cd"]], {}, "images are of type <U2: must be numbers or truth values"),
        ([np.eye(2) * 1j], {}, "images are of type complex128"),
        ([[[0, 1], [1]]], {}, "images are no array: "),
        ([np.eye(4), [1, 2, 3]], {}, "labels are of shape [3]: must be [4], one an image"),
        ([np.eye(2), [1, np.inf]], {}, "labels are not all finite"),
        ([np.eye(2), [None, {}]], {}, "labels are of type object: must be numbers or strings"),
        ([np.eye(4)], {"held_out": 1}, "held-out is 1: must be 0 or more, and below 1"),
        ([np.eye(4)], {"held_out": 0.01}, "held-out is 0.01: is none of 4 images"),
        ([np.eye(4)], {"held_out": 0.9}, "held-out is 0.9: leaves nothing of 4 images"),
        ([GREY], {"threshold": 17}, "every pixel of every image is the same"),
        ([GREY], {"binarise": "dither"}, "binarise is 'dither': must be one of threshold, sample"),
        ([np.eye(4)], {"held_out": 0.5, "split_seed": -1}, "split-seed is -1: must be 0 or more"),
        ([GREY], {"threshold": np.nan}, "threshold is nan: must be finite"),
        ([GREY], {"threshold": 1, "binarise": "sample"}, "threshold is 1: must be none where"),
        ([-GREY], {"binarise": "sample"}, "images have values from -16 to"),
        ([np.eye(4)], {"test": np.eye(5)}, "test images have 1 x 5 pixels: must have 2 x 2"),
        ([np.eye(4), [1, 2, 3, 4]], {"test": np.eye(4)}, "labels are in one of images and test"),
        ([np.eye(4)], {"test": np.eye(4), "held_out": 0.5}, "held-out is 0.5: must be 0 where"),
        ([np.eye(4), list("abab")], {"only": "c"}, "only is 'c': must be one of a, b"),
        ([np.zeros((1, 2**16 + 1))], {}, "images have 65,537 pixels: 65,536 at most"),
        ([np.zeros((1001, 1)), np.arange(1001)], {}, "labels are 1001: 1000 at most"),
    ],
)
def test_what_does_not_fit_is_one_line(arguments, options, said):
    with pytest.raises(InvalidInput) as refused:
        Images(*arguments, **options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_more_than_memory_holds_is_refused_before_it_is_taken():
    huge = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (2**20, 2**12), (0, 0))
    with pytest.raises(InvalidInput, match="images take 4,294,967,296 bytes: 2,147,483,648 at"):
        Images(huge)


def test_settings_for_images_of_ones_own_follow_how_many_and_how_large_they_are():
    rows = np.eye(8, dtype=int)
    small = hmjax.own_images("mine", Images(rows, held_out=0.25), (5,), 2, steps=1000)
    assert small.rule.weight_decay == pytest.approx(1 / (2**2 * 6))
    assert small.evaluation.held_out == 2
    assert small.final_nll == "exact_held_out_nll_bits"
    assert (small.rule.decay_at, small.rule.decay_over) == (600, 400)
    assert hmjax.own_images("mine", Images(rows), sweeps=1).rule.sweeps == 1
    # Where annealing would take too long there is none.
    wide = Images(np.eye(200, dtype=int))
    for hidden, nll in (((50,), "annealed_nll_bits"), ((51,), "is_nll_bits")):
        assert hmjax.own_images("mine", wide, hidden).final_nll == nll
