import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import nets
from analysis.dream import frames_of
from analysis.panels import spread

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=21)


def test_the_animation_has_every_early_evaluation_the_first_and_the_last():
    steps = np.array([0, 100, 200, 500, 1000, 2000, 5000, *range(10_000, 2_000_001, 10_000)])
    chosen = frames_of(steps, 60)
    assert len(chosen) == 60
    assert (np.diff(chosen) > 0).all()
    assert chosen[:8].tolist() == list(range(8))
    assert chosen[-1] == len(steps) - 1
    late = np.diff(np.log([step for step in steps[chosen] if step > 500_000]))
    assert late.max() < 2 * late.min()
    assert frames_of(steps[:60], 60).tolist() == list(range(60))


@given(SHARES)
def test_names_at_the_ends_of_lines_stand_apart_in_the_order_of_the_lines(wanted):
    gap = 0.045
    places = spread(wanted, gap, 0, 1)
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], -i))
    stands = np.array([places[i] for i in order])
    assert (np.diff(stands) > gap - 1e-9).all()
    assert stands[0] > -1e-9
    assert stands[-1] < 1 + 1e-9


def test_names_that_do_not_touch_stay_where_they_are():
    assert spread([0.9, 0.1, 0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.9, 0.1, 0.55, 0.45])


def test_nets_show_the_strongest_units_and_weights_of_a_machine_that_is_too_large():
    generator = np.random.default_rng(0)
    low, high = (generator.normal(size=(200, below)) for below in (784, 200))
    low[137] *= 100
    layout = nets.lay_out([low, high], [low, high], (28, 28))
    assert [len(units) for units in layout.units] == [784, nets.UNITS, nets.UNITS]
    assert 137 in layout.units[1]
    above, below = nets.strongest_of(low[layout.units[1]])
    assert len(above) <= nets.LINES
    assert low[layout.units[1]][above[-1], below[-1]] == low.flat[np.abs(low).argmax()]
