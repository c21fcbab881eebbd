"""What the tracer prices, held against the definition's values and against a list."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmjax.cost import cost_of, price, record
from hmjax.cost.published import KERNELS
from hmjax.cost.scalars import phase
from hmjax.cost.stack import Stack


def traced(program, *arguments, bytes_a_scalar=1):
    """The depths that a program reads at, and what that costs."""
    depth = price(record(program, *arguments)).depth
    return depth.tolist(), int(cost_of(depth, bytes_a_scalar).sum())


def quotient_and_remainder(a, b):
    q, r = divmod(a, b)
    return q + r + a


def relu(a):
    return a * 1 if a > 0 else 0


PAIR = np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("program", "arguments", "expected"),
    [
        (lambda a, b, c: (a + b) + c, (1, 2, 3), ([1, 2, 1, 2], 6)),
        (lambda a, b, c, d: (b + c) > (a + d), (1, 2, 3, 4), ([2, 3, 2, 3, 2, 1], 11)),
        (lambda a, b: a[0] * b[0] + a[1] * b[1], (PAIR, PAIR), ([2, 4, 2, 3, 2, 1], 11)),
        (
            lambda a, b: sum(x * y for x, y in zip(a, b, strict=True)),
            (PAIR, PAIR),
            ([2, 4, 1, 2, 3, 2, 1], 12),
        ),
        (lambda a: a + a, (1,), ([1, 1], 2)),
        (quotient_and_remainder, (7, 3), ([1, 2, 2, 1, 1, 2], 9)),
        (relu, (1.0,), ([1, 1, 1], 3)),
        (relu, (-1.0,), ([1, 1], 2)),
        (lambda a: 10 - a * 10, (1,), ([1, 1], 2)),
        (lambda a: [list(row) for row in zip(*a, strict=True)], (np.eye(2),), ([], 0)),
    ],
)
def test_small_programs_cost_what_the_definition_says(program, arguments, expected):
    assert traced(program, *arguments) == expected


def test_scalars_of_several_bytes_are_read_place_by_place():
    assert traced(lambda a, b, c: (a + b) + c, 1, 2, 3, bytes_a_scalar=2)[1] == 14
    depth = np.arange(1, 50)
    for size in (1, 2, 4):
        places = [range((x - 1) * size + 1, x * size + 1) for x in depth]
        expected = [sum(np.ceil(np.sqrt(d)) for d in each) for each in places]
        np.testing.assert_array_equal(cost_of(depth, size), expected)


def dot(x, y):
    products = [a * b for a, b in ((x[0], y[0]),)]
    whole = products[0]
    for a, b in zip(x[1:], y[1:], strict=True):
        whole = whole + a * b
    return whole


def matrix_times_vector(a, x):
    return [dot(row, x) for row in a]


def vector_times_matrix(a, x):
    return [dot(x, [row[j] for row in a]) for j in range(len(x))]


def matrix_product(a, b):
    columns = [list(column) for column in zip(*b, strict=True)]
    return [[dot(row, column) for column in columns] for row in a]


@pytest.mark.parametrize(
    ("program", "of", "expected"),
    [
        (
            matrix_times_vector,
            np.ones,
            {2: 26, 3: 75, 4: 157, 5: 270, 6: 422, 7: 615, 8: 896, 16: 5_354},
        ),
        (
            vector_times_matrix,
            np.ones,
            {2: 25, 3: 72, 4: 150, 5: 258, 6: 397, 7: 572, 8: 832, 16: 4_688},
        ),
        (matrix_product, np.eye, {2: 57, 4: 720, 8: 8_867, 16: 109_783}),
    ],
)
def test_products_of_matrices_cost_what_the_definition_says(program, of, expected):
    for size, cost in expected.items():
        assert traced(program, np.ones((size, size)), of(size))[1] == cost


@pytest.mark.parametrize("name", KERNELS)
def test_the_published_kernels_cost_what_is_published(name):
    kernel = KERNELS[name]
    assert traced(kernel.program, *kernel.arguments())[1] == kernel.cost


def test_the_published_step_loses_track_of_most_and_applies_nothing():
    # Reads and the deepest are those of an independent trace; its costs, 18,542 and 33,146, are met
    # to half a percent, as the order of arguments is not known. Those of CD-1 are met.
    def of(name, **options):
        kernel = KERNELS[name]
        depth, cost = traced(lambda *a: kernel.program(*a, **options), *kernel.arguments())
        return len(depth), max(depth), cost

    assert of("wake-sleep")[:2] == (2_362, 323)
    for options, reads, cost in (
        ({"tracked": True}, 3_416, 18_542),
        ({"tracked": True, "applied": True}, 4_334, 33_146),
    ):
        made = of("wake-sleep", **options)
        assert made[0] == reads
        assert made[2] == pytest.approx(cost, rel=0.005)
    assert of("RBM CD-1", tracked=True)[::2] == (2_648, 11_518)
    assert of("RBM CD-1", tracked=True, applied=True)[::2] == (3_104, 16_707)


class NaiveStack(list):
    """The same as `Stack`, as a list whose last is the top."""

    push = list.append

    def depth(self, value):
        return len(self) - self.index(value)

    def move_to_top(self, value):
        self.remove(value)
        self.append(value)


@given(st.lists(st.tuples(st.sampled_from("pmrd"), st.integers(0, 10**6)), max_size=300))
def test_the_stack_is_that_of_a_list(operations):
    stack, naive = Stack(room=8), NaiveStack()
    for new, (kind, which) in enumerate(operations):
        if kind == "p" or not naive:
            stack.push(new)
            naive.push(new)
            continue
        value = naive[which % len(naive)]
        if kind == "m":
            stack.move_to_top(value)
            naive.move_to_top(value)
        elif kind == "r":
            stack.remove(value)
            naive.remove(value)
        assert len(stack) == len(naive)
        if kind == "d":
            assert stack.depth(value) == naive.depth(value)


def naive_depths(instructions, inputs, returned, liveness):
    """The rule, word by word: (operands, how many results) of each instruction."""
    reads = [value for operands, _ in instructions for value in operands]
    stack, depths, made, done = NaiveStack(), [], inputs, 0

    def is_over(value):
        return liveness and value not in returned and value not in reads[done:]

    for value in range(inputs):
        if not is_over(value):
            stack.push(value)
    for operands, results in instructions:
        depths += [stack.depth(value) for value in operands]
        done += len(operands)
        for value in dict.fromkeys(operands):
            stack.remove(value)
            if not is_over(value):
                stack.push(value)
        for value in range(made, made + results):
            if not is_over(value):
                stack.push(value)
        made += results
    return depths


@given(st.data(), st.booleans())
def test_programs_cost_what_the_rule_word_by_word_says(data, liveness):
    inputs = data.draw(st.integers(1, 5))
    instructions, made = [], inputs
    for _ in range(data.draw(st.integers(0, 25))):
        operands = data.draw(st.lists(st.integers(0, made - 1), min_size=1, max_size=2))
        results = data.draw(st.integers(0, 2)) if len(operands) == 1 else 1
        instructions.append((operands, results))
        made += results
    returned = data.draw(st.sets(st.integers(0, made - 1)))

    def program(*given):
        values = list(given)
        for operands, results in instructions:
            first = values[operands[0]]
            if len(operands) == 2:
                values.append(first + values[operands[1]])
            elif results == 0:
                float(first)
            else:
                values += divmod(first, 3.0) if results == 2 else [first * 2.0]
        return [values[value] for value in sorted(returned)]

    # The first argument lies on top, and so is the last that is numbered.
    arguments = [float(value) for value in reversed(range(inputs))]

    def numbered(*given):
        return program(*reversed(given))

    made_of = price(record(numbered, *arguments), liveness=liveness).depth.tolist()
    assert made_of == naive_depths(instructions, inputs, returned, liveness)


def test_phases_and_steps_are_told_apart():
    def program(a, b):
        with phase("first"):
            c = a + b
        with phase("second"):
            return c * c

    recording = record(program, 1, 2)
    named = [recording.phases[each] for each in recording.phase]
    assert named == ["first", "second"]
    assert recording.result == 9


def test_a_program_that_is_not_recorded_runs_as_it_does():
    with phase("nothing"):
        assert quotient_and_remainder(7, 3) == 10


def test_what_is_read_is_what_lies_there():
    # Of arguments the first is on top, and within one the last.
    a, b = np.arange(3.0), np.arange(2.0)
    for order in itertools.permutations(range(3)):
        depth, _ = traced(lambda a, b, order=order: [a[k] * 1 for k in order] + a + b, a, b)
        assert depth[0] == 3 - order[0]
