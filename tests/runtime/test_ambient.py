"""hmjax under JAX settings, and habits, that are not the defaults."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import ROOT, random_params, slow

import configs
import hmjax
import run
from hmjax import exact, gibbs, machine, measures
from hmjax.importance import annealed, importance_sampled
from hmjax.runtime import ambient
from hmjax.runtime.cipher import key_of
from hmjax.runtime.float64 import in_float64
from hmjax.store import checkpoints, environment, folders, work
from hmjax.training import loop
from hmjax.training.programs import laid_out
from hmjax.training.progress import EVERYTHING

# Every setting of JAX's that its documentation says changes numbers, dtypes or what is allowed.
SETTINGS = {
    "JAX_ENABLE_X64": "1",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_RANDOM_SEED_OFFSET": "3",
    "JAX_DEBUG_KEY_REUSE": "1",
    "JAX_LEGACY_PRNG_KEY": "error",
    "JAX_DISABLE_JIT": "1",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_TRANSFER_GUARD": "disallow",
    "JAX_DEBUG_NANS": "1",
    "JAX_DEBUG_INFS": "1",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_ENABLE_CHECKS": "1",
    "JAX_EXPLICIT_X64_DTYPES": "error",
}
# Together, where they do not get in each other's way, as that is sooner tried.
TOGETHER = [
    ["JAX_ENABLE_X64", "JAX_DEFAULT_PRNG_IMPL", "JAX_RANDOM_SEED_OFFSET", "JAX_LEGACY_PRNG_KEY"],
    ["JAX_THREEFRY_PARTITIONABLE", "JAX_DEBUG_KEY_REUSE", "JAX_DISABLE_JIT"],
    [
        "JAX_NUMPY_RANK_PROMOTION",
        "JAX_NUMPY_DTYPE_PROMOTION",
        "JAX_TRANSFER_GUARD",
        "JAX_DEBUG_NANS",
        "JAX_DEBUG_INFS",
        "JAX_DEFAULT_MATMUL_PRECISION",
        "JAX_EXPLICIT_X64_DTYPES",
        "JAX_ENABLE_CHECKS",
    ],
]
assert {name for names in TOGETHER for name in names} == SETTINGS.keys()
ALONE = [slow([name]) for name in SETTINGS]
TRAIN = "train debug --steps 1000 --no-figures --out"
POPULATION = "population debug --steps 500 --seeds 2 --top 1 2 --no-figures --out"


def main(*commands: str, **settings: str) -> subprocess.CompletedProcess:
    """Runs commands of run.py one after another in a process with settings of its own."""
    script = (
        "import sys, run\nfor line in sys.argv[1:]:\n  if s := run.main(line.split()): sys.exit(s)"
    )
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", script, *commands],
        env=environment | {"PYTHONPATH": str(ROOT)} | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A run, half of one and a population, made under the settings of the tests."""
    folder = tmp_path_factory.mktemp("plain")
    assert run.main([*TRAIN.split(), str(folder / "run")]) == 0
    assert run.main([*POPULATION.split(), str(folder / "population")]) == 0
    experiment = work.read_settings(folder / "run")
    half = next(loop.while_finite(experiment, loop.start([experiment], EVERYTHING), EVERYTHING))
    work.create(experiment, folder / "half")
    config = folders.read_config(folder / "half")
    checkpoints.write_checkpoint(folder / "half" / "checkpoint.npz", config, half, 0.0)
    return folder


@pytest.mark.parametrize("names", [TOGETHER[0], *map(slow, TOGETHER[1:]), *ALONE], ids="+".join)
def test_no_setting_changes_a_bit(names, plain, tmp_path):
    shutil.copytree(plain / "half", tmp_path / "half")
    shutil.copytree(plain / "population", tmp_path / "drawn")
    done = main(
        f"{TRAIN} {tmp_path / 'run'}",
        f"{POPULATION} {tmp_path / 'population'}",
        f"resume {tmp_path / 'half'} --no-figures",
        f"figures {tmp_path / 'drawn'}",
        **{name: SETTINGS[name] for name in names},
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "note:" not in done.stderr
    for made, of in (("run", "run"), ("half", "run"), ("population", "population")):
        for path in (plain / of).glob("*.npz"):
            if path.name != "checkpoint.npz":
                assert (tmp_path / made / path.name).read_bytes() == path.read_bytes(), path
    assert (tmp_path / "drawn" / "figures" / "gallery.png").exists()


@pytest.mark.parametrize("platform", ["cuda", "tpu", "abacus"])
def test_a_platform_that_is_not_there_is_one_line(platform, tmp_path):
    if platform in {device.platform for device in jax.devices()} | {"gpu"}:
        pytest.skip("it is there")
    for command in (TRAIN, POPULATION):
        done = main(f"{command} {tmp_path / 'run'}", JAX_PLATFORMS=platform)
        assert done.returncode == 2
        said = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        assert len(said) == 1
        assert f"JAX_PLATFORMS is '{platform}'" in said[0]
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


WITHIN = {
    "explicit_transfers": lambda: jax.transfer_guard("disallow_explicit"),
    "enable_x64": lambda: jax.enable_x64(True),
    "default_prng_impl": lambda: jax.default_prng_impl("rbg"),
    "threefry_partitionable": lambda: jax.threefry_partitionable(False),
    "debug_key_reuse": lambda: jax.debug_key_reuse(True),
    "numpy_dtype_promotion": lambda: jax.numpy_dtype_promotion("strict"),
    "transfer_guard": lambda: jax.transfer_guard("disallow"),
    "debug_nans": lambda: jax.debug_nans(True),
    "default_matmul_precision": lambda: jax.default_matmul_precision("bfloat16"),
}
SMALL = dataclasses.replace(configs.load("debug"), steps=600)
REMEMBERS = hmjax.recipe("small", hmjax.Tees(side=4), (6,), 2, steps=600, memory=True)


ALIKE = "explicit_transfers", "numpy_dtype_promotion", "default_matmul_precision"


@pytest.mark.parametrize("setting", [slow(name) if name in ALIKE else name for name in WITHIN])
def test_a_program_may_train_within_settings_of_its_own(setting):
    def all_of_it():
        progress = hmjax.train(SMALL)
        many = hmjax.train_population(SMALL, [3, 1])
        remembers = hmjax.train_population(REMEMBERS, [3, 1])
        return progress.params, progress.curves, *many[1:4], *remembers[1:4]

    plain = all_of_it()
    before = jax.config.jax_enable_x64, jax.config.jax_numpy_dtype_promotion
    with WITHIN[setting]():
        found = all_of_it()
    chex.assert_trees_all_equal(found, plain)
    assert (jax.config.jax_enable_x64, jax.config.jax_numpy_dtype_promotion) == before


def test_a_half_used_run_leaves_no_settings_behind():
    ahead = loop.while_finite(SMALL, loop.start([SMALL], EVERYTHING), EVERYTHING)
    with jax.enable_x64(True):
        next(ahead)
        assert jnp.ones(2).dtype == jnp.float64
        ahead.close()
    assert jnp.ones(2).dtype == jnp.float32


def pure_functions(key, params, images):
    """What every public function of a key, a machine or images gives."""
    states = machine.recognise(key, params, images)
    evaluation = hmjax.Evaluation(held_out=8, fantasies=8)
    task = hmjax.Shifter(width=6)
    return {
        "init": machine.init(key, (24, 5, 3), p_on=0.3),
        "recognise": states,
        "generate": machine.generate(key, params, 3),
        "shifter": task.sample(key, 4),
        "bars": hmjax.Bars().sample(key, 3),
        "tees": hmjax.Tees().sample(key, 3),
        "log_prob": task.log_prob(images),
        "numbers": task.number_of(jnp.full((2, task.draws), jnp.float32(0.3))),
        "sweep": gibbs.sweep(machine.draw_noise(key, (5, 3), 4), params, states),
        "annealed": annealed(key, params, images, runs=3, temperatures=4),
        "completed": hmjax.complete(key, params, images, images > 0, runs=2, temperatures=2),
        "hold_top": machine.hold_top(params, jnp.asarray([1, 0, 1])),
        "log_joint": machine.log_joint(params, states),
        "log_recognition": machine.log_recognition(params, states),
        "exact": hmjax.exact_log_prob(params, images),
        "posterior": exact.generative_posterior(params, images),
        "bound": exact.recognition_bound(params, images),
        "tops": exact.recognised_tops(params, images),
        "sampled": importance_sampled(key, params, images, 3),
        "fields": (measures.generative_fields(params), measures.recognition_fields(params)),
        "evaluate": measures.evaluate(key, key, params, 3, task=task, evaluation=evaluation),
        "gradient": jax.grad(lambda p: hmjax.exact_log_prob(p, images).sum())(params),
    }


@pytest.mark.parametrize(
    "setting", [slow("enable_x64"), "default_prng_impl", slow("threefry_partitionable")]
)
def test_pure_functions_give_float32_and_the_same_bits_under_any_settings(setting):
    params = random_params(key_of(0), (24, 5, 3))
    arguments = key_of(1), params, np.ones((4, 24), np.uint8)
    plain = jax.jit(pure_functions)(*arguments)
    with WITHIN[setting]():
        found = jax.jit(pure_functions)(*arguments)
    for name, values in plain.items():
        chex.assert_trees_all_equal_dtypes(found[name], values)
        chex.assert_trees_all_equal(found[name], values)
    floats = [x for x in jax.tree.leaves(plain) if jnp.issubdtype(x.dtype, jnp.floating)]
    chex.assert_type(floats, jnp.float32)


@pytest.mark.slow
def test_training_is_on_the_device_that_is_asked_for():
    device = jax.devices()[1]
    with jax.default_device(device):
        progress = hmjax.train(SMALL)
        assert progress.params.prior.bias.devices() == {device}
        layout = laid_out([SMALL] * 3)
        assert layout.mesh.devices.tolist() == [device]
        many = hmjax.train_population(SMALL, [SMALL.seed, 7, 8])
    chex.assert_trees_all_equal(progress.params, hmjax.train(SMALL).params)
    chex.assert_trees_all_equal(
        jax.tree.map(lambda leaf: leaf[0], many.params), jax.tree.map(np.asarray, progress.params)
    )
    with jax.default_device("cpu"):
        assert ambient.devices() == jax.local_devices()


def test_what_bits_depend_on_is_written_down_and_a_change_of_it_said(tmp_path):
    folder = tmp_path / "run"
    work.create(SMALL, folder)
    path, config = folder / "environment.json", folders.read_config(folder)
    made = json.loads(path.read_text())
    for name in ("versions", "machine", "processor", "device", "xla_flags", "jax_settings"):
        assert name in made
    said: list[str] = []
    environment.compare_environment(folder, config, said.append)
    assert not said
    path.write_text(json.dumps(made | {"processor": "abacus", "versions": {"jax": "0.0.1"}}))
    environment.compare_environment(folder, config, said.append)
    (line,) = said
    assert "processor abacus is " in line
    assert f"jax 0.0.1 is {jax.__version__}" in line
    assert "\n" not in line
    # It is noted, and so is said once.
    assert json.loads(path.read_text())["resumed"] == [ambient.bits_depend_on()]
    environment.compare_environment(folder, config, said.append)
    assert len(said) == 1


def test_what_is_computed_in_float64_stays_so_however_it_is_mapped_and_compiled():
    @in_float64
    def product(first, second):  # which in float32 would be of infinity and 0
        return (first * 1e100) @ (second / 1e100), jnp.all(first > 0)

    first, second = jnp.full((3, 2, 4), 1e30), jnp.full((4, 5), 1e-30)

    def scaled(first):
        return product(first * 1e7, second / 1e7)

    single = scaled(first[0])
    np.testing.assert_allclose(single[0], 4.0, rtol=1e-6)
    for mapped in (
        jax.vmap(scaled),
        jax.jit(jax.vmap(scaled)),
        jax.vmap(jax.jit(scaled)),
        lambda x: jax.lax.map(scaled, x),
        lambda x: jax.tree.map(lambda y: y[0], jax.vmap(jax.vmap(scaled))(x[None])),
    ):
        values, positive = mapped(first)
        chex.assert_shape(values, (3, 2, 5))
        np.testing.assert_allclose(values, 4.0, rtol=1e-6)
        assert positive.all()


def test_a_key_of_a_seed_is_that_of_jax_random():
    for seed in (0, 1, 2**31, 2**32 - 1):
        expected = jax.random.key_data(jax.random.key(seed, impl="threefry2x32"))
        np.testing.assert_array_equal(jax.random.key_data(key_of(seed)), expected)
    compiled = jax.jit(key_of)(jnp.uint32(2**32 - 1))
    np.testing.assert_array_equal(jax.random.key_data(compiled), expected)
