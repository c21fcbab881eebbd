"""Settings take what a value plainly means, and refuse the rest where they are made."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import hypothesis
import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import refusal

import configs
import hmjax
from hmjax import InvalidInput, settings
from hmjax.settings import Settings, as_type
from hmjax.store import runs, work
from hmjax.study.sweeps import Study, Sweep
from hmjax.training import population

KINDS = [
    hmjax.Experiment("base", steps=1000),
    hmjax.Machine(),
    hmjax.Shifter(),
    hmjax.Bars(),
    hmjax.Tees(),
    hmjax.Images([[0, 1], [1, 1]]),
    hmjax.WakeSleep(),
    hmjax.Reweighted(),
    hmjax.JointStochastic(),
    hmjax.ScoreFunction(),
    hmjax.ExactEM(),
    hmjax.Evaluation(),
    Sweep(),
    Study(hmjax.Experiment("base", steps=1000)),
]


def test_every_kind_of_settings_is_tested():
    assert set(map(type, KINDS)) >= {
        kind
        for kind in vars(hmjax).values()
        if isinstance(kind, type) and issubclass(kind, Settings)
    }


@pytest.mark.parametrize(
    ("make", "is_taken_for"),
    [
        (lambda: hmjax.Experiment("x", steps=1e3), hmjax.Experiment("x", steps=1000)),
        (lambda: hmjax.Experiment("x", seed=np.uint32(7)), hmjax.Experiment("x", seed=7)),
        (lambda: hmjax.Experiment("x", steps=jnp.int32(9)), hmjax.Experiment("x", steps=9)),
        (lambda: hmjax.Shifter(shifts=[-1, 1]), hmjax.Shifter()),
        (lambda: hmjax.Shifter(shifts=np.array([-1, 1])), hmjax.Shifter()),
        (lambda: hmjax.Shifter(width=np.int64(8)), hmjax.Shifter(width=8)),
        (lambda: hmjax.Bars(p_on=np.float64(0.25)), hmjax.Bars(p_on=0.25)),
        (lambda: hmjax.Machine(hidden=[16, 8], top=2.0), hmjax.Machine((16, 8), 2)),
        (lambda: hmjax.Machine(visible_bias=-2), hmjax.Machine(visible_bias=-2.0)),
        (
            lambda: hmjax.WakeSleep(layer_rates=[1, 2, 3]),
            hmjax.WakeSleep(layer_rates=(1.0, 2.0, 3.0)),
        ),
        (lambda: hmjax.WakeSleep(decay_at=1e5), hmjax.WakeSleep(decay_at=100_000)),
    ],
)
def test_what_is_plainly_meant_is_taken(make, is_taken_for):
    made = make()
    assert made == is_taken_for
    assert hash(made) == hash(is_taken_for)
    assert repr(made) == repr(is_taken_for)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: hmjax.Experiment("x", steps=True),
            "steps is true, .*: must be a whole",
        ),
        (lambda: hmjax.Experiment("x", steps=10.5), "steps is 10.5, not a valid int"),
        (lambda: hmjax.Experiment("x", steps="many"), 'steps is "many", not a valid int'),
        (lambda: hmjax.Experiment("x", seed=0.5), "seed is 0.5, not a valid int"),
        (
            lambda: hmjax.Experiment("x", task="bars"),
            'task is "bars".* a Shifter or a Bars',
        ),
        (lambda: hmjax.Experiment("x", task=hmjax.Bars), "task is .*must be a Shifter or a Bars"),
        (lambda: hmjax.Experiment("x", rule=None), "rule is null"),
        (lambda: hmjax.Experiment(3), "name is 3, not a valid str"),
        (lambda: hmjax.Shifter(shifts=1), "shifts is 1, not a valid tuple: must be a list"),
        (lambda: hmjax.Shifter(shifts="-1 1"), "shifts is"),
        (lambda: hmjax.Shifter(p_on="0.3"), 'p-on is "0.3", not a valid float'),
        (lambda: hmjax.Machine(hidden=16), "machine.hidden is 16, not a valid tuple"),
        (lambda: hmjax.Machine(hidden=(16, 2.5)), "machine.hidden is"),
        (
            lambda: hmjax.WakeSleep(optimiser="magic"),
            "rule.optimiser is .*sgd, momentum, adam",
        ),
        (lambda: hmjax.WakeSleep(non_negative=1), "rule.non-negative is 1, not a valid bool"),
        (lambda: hmjax.Evaluation(every=None), "evaluation.every is null"),
        (lambda: hmjax.train_population(KINDS[0], [0.5]), "seeds is"),
        (lambda: hmjax.train_population(KINDS[0], "12"), "seeds is"),
        (lambda: hmjax.Machine(hidden=np.array(3)), "machine.hidden is"),
        (lambda: hmjax.Experiment("x", steps=[[1], [2, 3]]), "steps is"),
        (lambda: hmjax.Experiment("x", steps=np.timedelta64(3, "s")), "steps is"),
        (lambda: hmjax.Experiment("x", steps=float("inf")), "steps is"),
        (lambda: hmjax.train_population(KINDS[0], np.array(3)), "seeds is"),
        (lambda: hmjax.train_population(KINDS[0], 3), "seeds is 3, not a valid tuple"),
    ],
)
def test_what_is_not_is_refused_at_once(make, said):
    with pytest.raises(InvalidInput, match=f"^{said}") as caught:
        make()
    assert "\n" not in str(caught.value)


def test_seeds_are_any_whole_numbers():
    experiment = hmjax.Experiment("x", task=hmjax.Shifter(width=3), machine=hmjax.Machine((), 1))
    members = population.members_of
    for seeds in (range(3), [0.0, 1, np.int64(2)], np.arange(3), jnp.arange(3), iter((0, 1, 2))):
        assert [member.seed for member in members(experiment, seeds)] == [0, 1, 2]


def test_folders_may_be_named_by_strings(tmp_path):
    experiment = dataclasses.replace(configs.load("debug"), steps=10)
    folder = str(tmp_path / "run")
    work.create(experiment, folder)
    assert work.read_settings(folder) == experiment
    work.carry_out(folder)
    assert runs.read(folder).folder == Path(folder)
    assert hmjax.load_params(f"{folder}/params.npz").prior.bias.shape == (2,)


plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.builds(np.float32, st.floats(width=32)),
    st.builds(np.int64, st.integers(-(2**63), 2**63 - 1)),
)
anything = st.one_of(
    plain, st.lists(plain, max_size=3), st.dictionaries(st.text(max_size=3), plain)
)


@hypothesis.given(made=st.sampled_from(KINDS), data=st.data(), value=anything)
@hypothesis.settings(max_examples=600)
def test_whatever_a_field_is_given_it_is_taken_to_mean_one_thing_or_refused(made, data, value):
    name = data.draw(st.sampled_from([each.name for each in dataclasses.fields(made)]))
    if said := refusal(dataclasses.replace, made, **{name: value}):
        assert "\n" not in said
        return
    changed = dataclasses.replace(made, **{name: value})
    hash(changed)
    content = settings.to_json(changed)
    if isinstance(changed, hmjax.Images):
        content["data"] = changed.data  # which a folder keeps beside it
    assert settings.from_json(type(made), Path("config.json"), content) == changed
    again = dataclasses.replace(made, **{name: getattr(changed, name)})
    assert again == changed


@dataclass(frozen=True)
class Part(Settings):
    size: int = 1
    colour: str = field(default="red", metadata={"since": 2, "before": "grey"})


@dataclass(frozen=True)
class Whole(Settings):
    part: Part = field(default_factory=Part)
    other: Part = field(default_factory=lambda: Part(5), metadata={"since": 2})
    colours: Literal["few", "many"] = "few"
    weight: float | None = field(default=None, metadata={"since": 2})
    name: str = "whole"


def read(**content) -> Whole:
    content = {
        "kind": "Whole",
        "part": {"kind": "Part", "size": 2},
        "colours": "few",
        "name": "a",
    } | content
    return settings.from_json(Whole, Path("config.json"), content)


def test_fields_that_a_folder_does_not_know_mean_what_was_done_before():
    assert read() == Whole(Part(2, "grey"), name="a")
    assert read(weight=3) == Whole(Part(2, "grey"), weight=3.0, name="a")
    known = {"kind": "Part", "size": 2, "colour": "blue"}
    assert read(schema=2, part=known, other=known, weight=None).part.colour == "blue"
    # What the folder's own schema has is not left out.
    for content, lacking in (
        ({"schema": 2, "part": known, "other": known}, "weight"),
        ({"schema": 2, "part": known, "weight": 1}, "other"),
        ({"schema": 2, "other": known, "weight": 1}, "colour"),
    ):
        with pytest.raises(InvalidInput, match=f"lacks or does not know the field '{lacking}'"):
            read(**content)
    with pytest.raises(InvalidInput, match="does not know the field 'size'"):
        settings.from_json(
            Whole,
            Path("c"),
            {"kind": "Whole", "part": {"kind": "Part"}, "colours": "few", "name": "a"},
        )
    with pytest.raises(InvalidInput, match="later version"):
        read(schema=settings.SCHEMA + 1)


def test_json_is_not_taken_for_settings_of_another_kind():
    with pytest.raises(InvalidInput, match=r"part is .*must be a Part"):
        read(part={"kind": "Whole"})
    with pytest.raises(InvalidInput, match=r"colours is .*must be one of few, many"):
        read(colours={"kind": "few"})
    with pytest.raises(InvalidInput, match=r"^x is .*1j"):
        as_type(float, 1j, "x")
