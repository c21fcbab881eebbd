"""Helmholtz machines from the command line.

python run.py train NAME [options]   train an experiment of configs/; --help lists the options
python run.py population NAME        train many seeds of an experiment side by side
python run.py resume DIR             go on with an interrupted run
python run.py figures DIR            draw the pictures of a finished run again
python run.py bench                  time it, beside NumPy and numba
python run.py list                   the experiments, one line each
"""

import contextlib
import dataclasses
import difflib
import io
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tqdm
import tyro

import configs
from hmjax import Diverged, Experiment, InvalidInput, files, platform, runs, train_population
from hmjax.errors import require
from hmjax.experiment import MAX_SEED
from hmjax.training import Progress

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Movie:
    """How dream.gif is drawn."""

    fps: float = 5.0
    """Frames a second of dream.gif, above 0 and at most 50."""

    def __post_init__(self) -> None:
        require(0 < self.fps <= 50, "fps", self.fps, "must be above 0 and at most 50")


@dataclasses.dataclass(frozen=True)
class Train:
    """Trains one machine, measures it and draws what it learned."""

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    out: Path | None = None
    """Folder of the run; runs/NAME-seedK if not given."""
    overwrite: bool = False
    """Replace the run that is in the folder, if one is."""
    figures: bool = True
    """Draw the pictures into DIR/figures."""
    movie: Annotated[Movie, tyro.conf.arg(name="")] = Movie()


@dataclasses.dataclass(frozen=True)
class Population:
    """Trains one machine a seed, on every core or accelerator, and measures them exactly."""

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    seeds: int = 64
    """Machines to train, at least 1."""
    first_seed: int = 0
    """Seed of the first machine, 0 to 2^32 - 1; the others follow."""
    out: Path | None = None
    """Folder of the population; runs/NAME-seedsK-L if not given."""
    overwrite: bool = False
    """Replace the run that is in the folder, if one is."""

    def __post_init__(self) -> None:
        most = MAX_SEED + 1 - self.first_seed
        require(
            0 <= self.first_seed <= MAX_SEED, "first-seed", self.first_seed, "must be 0 to 2^32 - 1"
        )
        require(1 <= self.seeds <= most, "seeds", self.seeds, f"must be 1 to {most}")


@dataclasses.dataclass(frozen=True)
class Resume:
    """Goes on with an interrupted run, to the same bits as if it had not been."""

    folder: Annotated[Path, tyro.conf.arg(name="DIR"), tyro.conf.Positional]
    """The run's folder."""
    figures: bool = True
    """Draw the pictures into DIR/figures."""
    movie: Annotated[Movie, tyro.conf.arg(name="")] = Movie()


@dataclasses.dataclass(frozen=True)
class Figures:
    """Draws the pictures of a finished run again, without training."""

    folder: Annotated[Path, tyro.conf.arg(name="DIR"), tyro.conf.Positional]
    """The run's folder."""
    movie: Annotated[Movie, tyro.conf.arg(name="")] = Movie()


@dataclasses.dataclass(frozen=True)
class Bench:
    """Times training and measuring, in alternating rounds, beside NumPy and numba."""

    out: Path | None = None
    """JSON file to write the report to as well; replaced if it is there."""
    quick: bool = False
    """Smaller populations and fewer rounds."""


def train(arguments: Sequence[str]) -> None:
    options = parse_named(Train, arguments, "train")
    experiment = options.experiment
    folder = options.out or Path("runs") / f"{experiment.name}-seed{experiment.seed}"
    runs.create(experiment, folder, overwrite=options.overwrite)
    finish(folder, options)


def population(arguments: Sequence[str]) -> None:
    from analysis import table

    options = parse_named(Population, arguments, "population")
    experiment = options.experiment
    default = configs.load(experiment.name).seed
    require(experiment.seed == default, "seed", experiment.seed, "must be left to --first-seed")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    folder = options.out or Path("runs") / f"{experiment.name}-seeds{seeds[0]}-{seeds[-1]}"
    runs.create_population(experiment, seeds, folder, overwrite=options.overwrite)
    with tqdm.tqdm(total=experiment.steps, unit=" steps", unit_scale=True) as bar:
        trained = train_population(experiment, seeds, lambda done: bar.update(done - bar.n))
    print(table.render_population(runs.write_population(experiment, trained, folder)))
    print(f"machines in {folder}")


def resume(arguments: Sequence[str]) -> None:
    options = parse(Resume, arguments, "run.py resume")
    if runs.is_finished(options.folder) and (options.folder / "figures" / "dream.gif").exists():
        runs.read_experiment(options.folder)
        print(f"{options.folder} is finished; 'figures {options.folder}' draws its pictures again")
        return
    finish(options.folder, options)


def figures(arguments: Sequence[str]) -> None:
    options = parse(Figures, arguments, "run.py figures")
    draw(options.folder, options.movie)


def bench(arguments: Sequence[str]) -> None:
    from hmjax import bench

    options = parse(Bench, arguments, "run.py bench")
    if options.out is not None:
        require(
            options.out.parent.is_dir(),
            "out",
            str(options.out),
            "must lie in a folder that is there",
        )
    with tqdm.tqdm(bar_format="{desc}", leave=False) as bar:
        report = bench.run(
            configs.load("shifter"), quick=options.quick, show=bar.set_description_str
        )
    print(bench.render(report))
    if options.out is not None:
        files.write_json(options.out, report)


def list_experiments(arguments: Sequence[str]) -> None:
    if arguments:
        raise InvalidInput(f"list takes no arguments, got {shlex.join(arguments)}")
    for name in configs.names():
        print(f"{name:10}{configs.summary(name)}")


def finish(folder: Path, options: Train | Resume) -> None:
    """Trains the run in a folder to its end, prints its table, draws its pictures."""
    from analysis import table

    try:
        with progress_bar() as show:
            results = runs.carry_out(folder, show)
    except KeyboardInterrupt:
        command = f"python run.py resume {shlex.quote(str(folder))}"
        print(f"\ninterrupted; the run is saved. Go on with: {command}", file=sys.stderr)
        raise
    except Diverged as error:
        raise Diverged(
            error.step, f"the last good state is in {folder / 'checkpoint.npz'}"
        ) from None
    print(table.render(runs.read_experiment(folder), results))
    if options.figures:
        draw(folder, options.movie)


def draw(folder: Path, movie: Movie) -> None:
    """Draws the pictures of a finished run."""
    from analysis import pictures

    try:
        drawn = pictures.draw_all(runs.read(folder), fps=movie.fps)
    except KeyboardInterrupt:
        command = f"python run.py figures {shlex.quote(str(folder))}"
        print(
            f"\ninterrupted; the run is complete. Draw its pictures by: {command}", file=sys.stderr
        )
        raise
    print(f"pictures in {drawn}")


@contextlib.contextmanager
def progress_bar():
    """A bar over the steps of a run, for `runs.carry_out`."""
    with contextlib.ExitStack() as stack:
        bars: list[tqdm.tqdm] = []

        def show(experiment: Experiment, progress: Progress) -> None:
            if not bars:
                bar = tqdm.tqdm(
                    total=experiment.steps, unit=" steps", unit_scale=True, dynamic_ncols=True
                )
                bars.append(stack.enter_context(bar))
            nll = progress.curves["exact_nll_bits"][-1]
            if nll != nll:
                nll = progress.curves["is_nll_bits"][-1]
            bars[0].set_postfix_str(f"NLL {nll:.3f} bits", refresh=False)
            bars[0].update(int(progress.state.step) - bars[0].n)

        yield show


def parse_named(kind: Callable[..., T], arguments: Sequence[str], command: str) -> T:
    """The options of a command on an experiment, whose name comes first.

    Raises:
      InvalidInput: if the name or the options are wrong.
    """
    if not arguments or arguments[0].startswith("-"):
        if {"-h", "--help"} & set(arguments):
            arguments = ["shifter", *arguments]
        else:
            raise InvalidInput(
                f"{command} needs the name of an experiment: one of {', '.join(configs.names())}"
            )
    name, *rest = arguments
    return parse(kind, rest, f"run.py {command} {name}", default=kind(configs.load(name)))


def parse(kind: Callable[..., T], arguments: Sequence[str], program: str, **default: Any) -> T:
    """Tyro's parser, with its complaints on one line.

    Raises:
      InvalidInput: if the arguments are wrong.
    """
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                kind,
                args=arguments,
                prog=program,
                config=(tyro.conf.AvoidSubcommands,),
                **default,
            )
    except SystemExit as stop:
        if stop.code in (0, None):  # --help
            raise
        raise InvalidInput(unboxed(complaint.getvalue())) from None


def unboxed(text: str) -> str:
    """What a box of tyro's says, without its title and its pointer to --help, on one line."""
    plain = re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯]", "", text)
    _title, *parts = (" ".join(part.split()) for part in re.split(r"[─-]{5,}", plain))
    return "; ".join(part for part in parts if part and not part.startswith("For full helptext"))


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "train": train,
    "population": population,
    "resume": resume,
    "figures": figures,
    "bench": bench,
    "list": list_experiments,
}


def main(arguments: Sequence[str]) -> int:
    """Runs a command.

    Returns:
      The exit status: 0, 1 if a run failed, 2 for bad input, 130 if interrupted.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print((__doc__ or "").strip())
        return 0 if arguments else 2
    platform.prepare()
    platform.cache_compiled()
    command, *rest = arguments
    try:
        if command not in COMMANDS:
            near = difflib.get_close_matches(command, COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InvalidInput(
                f"command is {command!r}: {hint}must be one of {', '.join(COMMANDS)}"
            )
        COMMANDS[command](rest)
    except InvalidInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (Diverged, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except SystemExit as stop:  # --help
        return int(stop.code or 0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
