"""`examples/minimal.py` is the library's algorithm on one page, to the bit."""

import ast
import importlib.util
import re
import runpy

import chex
import jax
import numpy as np
from helpers import ROOT

import hmjax
from hmjax.machine import Layer, Params, Prior

PATH = ROOT / "examples" / "minimal.py"
SUPPORT = hmjax.Shifter().support()
STEPS = 600  # more than one chunk of the library's draws

spec = importlib.util.spec_from_file_location("minimal", PATH)
minimal = importlib.util.module_from_spec(spec)
spec.loader.exec_module(minimal)


def as_machine(params: Params):
    generative, recognition = (tuple(map(tuple, net)) for net in (params[0], params[2]))
    return minimal.Machine(generative, params.prior.bias, recognition)


def as_params(machine) -> Params:
    generative, recognition = (tuple(Layer(*layer) for layer in net) for net in machine[::2])
    return Params(generative, Prior(machine.prior), recognition)


def test_a_seed_gives_the_bits_of_the_library_alone_and_among_others():
    seeds = (0, 1, 2**31 - 1)
    machines = jax.vmap(lambda seed: minimal.train(seed, STEPS))(np.array(seeds))
    for i, seed in enumerate(seeds):
        params = hmjax.train(hmjax.Experiment("mine", steps=STEPS, seed=seed)).params
        chex.assert_trees_all_equal(minimal.train(seed, STEPS), as_machine(params))
        among_others = jax.tree.map(lambda leaf, i=i: leaf[i], machines)
        chex.assert_trees_all_equal(among_others, as_machine(params))


def test_the_likelihood_is_the_exact_one():
    trained = jax.tree.map(np.asarray, minimal.train(2, STEPS))
    for scale in (1, 10):
        machine = jax.tree.map(lambda leaf, scale=scale: scale * leaf, trained)
        exact = hmjax.exact_log_prob(as_params(machine), SUPPORT.images)
        np.testing.assert_allclose(minimal.log_prob(machine, SUPPORT.images), exact, rtol=5e-6)


def test_the_script_prints_the_exact_nll_of_every_seed_beside_the_floor(capsys):
    machines = jax.tree.map(np.asarray, runpy.run_path(str(PATH), run_name="__main__")["machines"])
    lines = capsys.readouterr().out.splitlines()
    seeds, nll, floor = np.array([re.findall(r"[\d.]+\d|\d", line) for line in lines], float).T
    assert seeds.tolist() == list(range(1, 9))
    np.testing.assert_allclose(floor, hmjax.Shifter().entropy_bits, atol=6e-4)
    for i, printed in enumerate(nll):
        params = as_params(jax.tree.map(lambda leaf, i=i: leaf[i], machines))
        log_prob = np.asarray(hmjax.exact_log_prob(params, SUPPORT.images))
        exact = -SUPPORT.probabilities @ log_prob / np.log(2)
        np.testing.assert_allclose(printed, exact, atol=6e-4)


def test_it_stands_alone_on_one_page():
    source = PATH.read_text()
    assert len(source.splitlines()) <= 120
    nodes = list(ast.walk(ast.parse(source)))
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    assert {module.split(".")[0] for module in modules} == {"functools", "jax", "numpy", "typing"}
