"""Races: when machines reach a goal, and what that is charged."""

import dataclasses
import json

import numpy as np
import pytest
from helpers import slow

import configs
import run
from commands import cost
from configs import bars, bars_best
from hmjax import Bars, Evaluation, InvalidInput, Machine, WakeSleep, machine
from hmjax.cost import cost_of, trace
from hmjax.cost.criterion import (
    Arm,
    Course,
    Goal,
    Race,
    causes_found,
    costs_of,
    outcome,
    reached_at,
    train,
)
from hmjax.machine import Layer


def later(experiment, at):
    """What the second of two steps costs: what both do, less what the first does."""
    one, two = (trace(experiment, steps=steps, at=at).profile.depth for steps in (1, 2))
    return int(cost_of(two).sum() - cost_of(one).sum())


def test_a_cause_is_found_where_weights_look_like_it():
    task = Bars()
    params = machine.init(machine.jax.random.key(0), (16, 8, 1))
    cause = task.causes[2]

    def with_row(row):
        weight = np.full((8, 16), 0.3)
        weight[5] = row
        layer = Layer(weight, params.generative[0].bias)
        return params._replace(generative=(layer, *params.generative[1:]))

    assert causes_found(with_row(2 * cause - 7), task) == 1  # whatever its mean and length
    assert causes_found(with_row(-cause), task) == 0
    assert causes_found(with_row(cause + task.causes[3]), task) == 2  # 0.58 each
    assert causes_found(with_row(np.ones(16)), task) == 0


def test_the_first_look_counts():
    goal, steps = Goal("", "kl_bits", 1.0), np.array([0, 10, 20])
    kl = np.array([[3.0, 0.5, np.nan], [1.0, 2.0, np.nan], [0.9, 2.0, np.nan]])
    np.testing.assert_array_equal(reached_at(goal, {"kl_bits": kl}, steps), [10, 0, np.inf])
    found = np.array([[6, 7, 0], [7, 0, 0], [8, 8, 0]])
    at = reached_at(Goal("", "causes", 7), {"causes": found}, steps)
    np.testing.assert_array_equal(at, [10, 0, np.inf])


def test_what_is_held_costs_what_it_costs():
    experiment = bars_best.experiment
    hold = experiment.rule.hold
    held, free = later(experiment, 0), later(experiment, hold)
    assert held != free
    expected = [0, 5 * held, hold * held, hold * held + 7 * free]
    np.testing.assert_array_equal(costs_of(experiment, np.array([0, 5, hold, hold + 7])), expected)


def test_failures_are_charged_in_full():
    arm = Arm("", dataclasses.replace(bars.experiment, steps=100))
    step = later(arm.experiment, 0)
    curves = {"kl_bits": np.array([[3.0, 3.0, 3.0], [0.5, 3.0, 3.0], [0.5, 0.5, 3.0]])}
    curves[arm.experiment.nll] = curves["kl_bits"] + 3.4
    steps = np.array([0, 10, 100])
    cost = costs_of(arm.experiment, steps)
    course = Course(steps, curves, cost, cost[-1])
    made = outcome(arm, course, [Goal("near", "kl_bits", 1.0), Goal("never", "kl_bits", 0.1)])
    near, never = made["goals"]
    assert near["solved"] == 2
    assert near["median_steps"] == 55
    assert near["median_cost"] == 55 * step
    assert near["cost_a_solution"] == (10 + 100 + 100) * step / 2
    assert never["share"] == 0
    assert near["cost_with_restarts"] == 3 * 10 * step  # one of three is there at step 10
    names = ("cost_a_solution", "cost_with_restarts", "median_cost", "median_steps")
    assert all(never[name] is None for name in names)
    assert made["cost_a_step"] == step


def test_machines_that_diverged_count_as_the_worst():
    arm = Arm("", dataclasses.replace(bars.experiment, steps=10))
    nll = np.array([[5.0, 5.0, 5.0], [3.0, np.nan, 4.0], [np.nan, np.nan, np.nan]])
    curves = {arm.experiment.nll: nll, "kl_bits": nll - 3}
    course = Course(np.array([0, 5, 10]), curves, np.array([0.0, 5.0, 10.0]), 10.0)
    made = outcome(arm, course, [Goal("near", "kl_bits", 0.5)])
    assert made["nll"] == [[5.0, 3.0, None], [5.0, 4.0, None], [5.0, None, None]]
    assert made["goals"][0]["solved"] == 1
    json.dumps(made, allow_nan=False)


def test_a_goal_at_the_start_costs_nothing_and_comes_first():
    report = {"arms": [_row("late", 5.0), _row("there", 0.0), _row("never", None)]}
    rows = cost.as_table(report).splitlines()[2:]
    assert [row.split(" | ")[1] for row in rows] == ["there", "late", "never"]


def _row(name, value):
    names = ("median_steps", "median_cost", "cost_a_solution", "cost_with_restarts")
    goal = {"goal": "g", "share": 1.0, "interval": (0.5, 1.0), **dict.fromkeys(names, value)}
    return {"name": name, "cost_a_step": 1.0, "goals": [goal]}


def test_a_goal_that_nothing_measures_is_refused():
    with pytest.raises(InvalidInput, match="goals is 'nill_bits': must be one of causes, "):
        dataclasses.replace(TINY, goals=(Goal("", "nill_bits", 1.0),))


TINY = Race(
    title="Tiny",
    about="",
    arms=tuple(
        Arm(
            name,
            dataclasses.replace(
                bars.experiment,
                task=Bars(side=2),
                machine=Machine((3,), 1),
                rule=WakeSleep(learning_rate=rate),
                evaluation=Evaluation(every=200, early=False),
                steps=2_000,
            ),
        )
        for name, rate in (("fast", 0.3), ("slow", 0.001))
    ),
    goals=(Goal("KL 1.1 bits", "kl_bits", 1.1), Goal("all bars", "causes", 4)),
)


def test_training_ends_where_all_have_reached_all():
    goal = Goal("any", "kl_bits", 100.0)
    assert train(TINY.arms[0], 3, [goal]).step.tolist() == [0, 200]
    trained = train(TINY.arms[0], 3, [Goal("none", "kl_bits", -1.0)])
    assert trained.step[-1] == 2_000
    assert trained.curves["kl_bits"].shape == (11, 3)


def test_a_race_is_run_written_and_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(configs, "load_race", lambda name: TINY)
    arguments = ["cost", "bars", "--seeds", "3", "--out", str(tmp_path / "tiny.json")]
    assert run.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "| KL 1.1 bits | fast | 1.000 (0.439 to 1.000) |" in printed
    assert "| KL 1.1 bits | slow | 0.000 (0.000 to 0.561) |  |" in printed
    report = json.loads((tmp_path / "tiny.json").read_text())
    assert [arm["name"] for arm in report["arms"]] == ["fast", "slow"]
    assert (tmp_path / "tiny.png").exists()
    assert run.main(arguments) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["bars", slow("shifter")])
def test_the_races_hold_together(name):
    race = configs.load_race(name)
    assert len({arm.name for arm in race.arms}) == len(race.arms)
    assert len({(arm.experiment.task, arm.experiment.sizes) for arm in race.arms}) == 1
    budgets = [costs_of(it.experiment, np.array([it.experiment.steps]))[0] for it in race.arms]
    # The recipe has a length of its own; no other arm has more or much less to spend than others.
    free = [b for b, it in zip(budgets, race.arms, strict=True) if "recipe" not in it.name]
    assert max(free) < 1.15 * min(free)
    assert max(budgets) < 1.15 * max(free)


def test_a_race_that_is_not_there_is_one_line(capsys):
    assert run.main(["cost", "bar"]) == 2
    assert capsys.readouterr().err.startswith("error: race is 'bar': did you mean 'bars'?")
