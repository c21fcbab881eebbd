"""Helmholtz machines from the command line; `python run.py` says how."""

import os
import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Nothing is begun while what follows is imported, so that there is nothing to say.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import argparse
import contextlib
import difflib
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import jax
import numpy as np
import tqdm
import tyro

import configs
from hmjax import (
    Diverged,
    Experiment,
    InvalidInput,
    files,
    folders,
    hosts,
    locks,
    platform,
    runs,
    studies,
    study,
)
from hmjax.arguments import parse
from hmjax.comparison import check, folder_of, read_all
from hmjax.errors import require
from hmjax.rules import RULES, Descent
from hmjax.study import Study
from hmjax.training import Progress

T = TypeVar("T")

USAGE = """\
Helmholtz machines from the command line.

python run.py train NAME [options]   train an experiment of configs/; --help lists the options
python run.py population NAME        train many seeds of an experiment side by side
python run.py replay DIR --seed K    train one machine of a population alone
python run.py resume DIR             go on with an interrupted run or population
python run.py figures DIR            draw the pictures of a finished one again
python run.py compare NAME           train the studies of a comparison, and say what they came to
python run.py results                write RESULTS.md from the comparisons that are finished
python run.py bench                  time it, beside NumPy and numba
python run.py list                   the experiments, one line each"""


@dataclass(frozen=True)
class Movie:
    """How dream.gif is drawn."""

    fps: float = 5.0
    """Frames a second of dream.gif, above 0 and at most 50."""

    def __post_init__(self) -> None:
        require(0 < self.fps <= 50, "fps", self.fps, "must be above 0 and at most 50")


@dataclass(frozen=True)
class Train:
    """Trains one machine, measures it and draws what it learned.

    --rule wake-sleep, reweighted or oracle chooses how; the options of that rule are rule.*.
    """

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    out: Path | None = None
    """Folder of the run; runs/NAME-seedK if not given."""
    overwrite: bool = False
    """Replace the run that is in the folder, if one is."""
    figures: bool = True
    """Draw the pictures into DIR/figures."""
    movie: Annotated[Movie, tyro.conf.arg(name="")] = Movie()


@dataclass(frozen=True)
class Hosts:
    """Other hosts that run the same command; host 0 writes the folder."""

    coordinator: str | None = None
    """HOST:PORT of host 0; this host alone if not given."""
    count: int | None = None
    """How many hosts, with coordinator."""
    index: int | None = None
    """Which of them this is, 0 to count - 1, with coordinator."""
    detect: bool = False
    """Have JAX ask the cluster (SLURM, Open MPI, Kubernetes, TPU) for all three."""
    timeout: int = 60
    """Seconds to wait for the others, and after which a silent host is lost; at least 1."""

    def __post_init__(self) -> None:
        given = self.count is not None and self.index is not None
        where = "any:1" if self.coordinator is None else self.coordinator
        host, _, port = where.rpartition(":")
        require(
            host != "" and port.isdecimal() and 1 <= int(port) <= 65535,
            "hosts.coordinator",
            self.coordinator,
            "must be HOST:PORT, with a port of 1 to 65535",
        )
        if self.coordinator is not None and not given:
            raise InvalidInput("hosts.coordinator needs hosts.count and hosts.index")
        count, index = self.count or 0, self.index or 0
        if self.coordinator is None and (self.count is not None or self.index is not None):
            raise InvalidInput("hosts.count and hosts.index need hosts.coordinator")
        if given:
            require(count >= 1, "hosts.count", count, "must be at least 1")
            require(0 <= index < count, "hosts.index", index, f"must be 0 to {count - 1}")
        require(self.timeout >= 1, "hosts.timeout", self.timeout, "must be at least 1 second")

    def connect(self) -> None:
        """Joins the other hosts, if there are any."""
        if self.coordinator is not None or self.detect:
            hosts.connect(self.coordinator, self.count, self.index, timeout=self.timeout)


@dataclass(frozen=True)
class Population:
    """Trains many seeds at each of several settings, side by side, and measures them exactly.

    --rule wake-sleep, reweighted or oracle chooses how; the options of that rule are rule.*.
    """

    study: Annotated[Study, tyro.conf.arg(name="")]
    out: Path | None = None
    """Folder of the population; runs/NAME-seedsK-L if not given."""
    overwrite: bool = False
    """Replace the run or population that is in the folder, if one is."""
    figures: bool = True
    """Draw the pictures into DIR/figures."""
    hosts: Hosts = Hosts()


@dataclass(frozen=True)
class Replay:
    """Trains one machine of a population alone, with snapshots and pictures, to the same bits."""

    folder: Annotated[Path, tyro.conf.arg(name="DIR"), tyro.conf.Positional]
    """The population's folder."""
    seed: int
    """Which of its seeds."""
    setting: int = 0
    """Which of its settings, counted from 0, if it swept any."""
    out: Path | None = None
    """Folder of the run; DIR/replay-settingI-seedK if not given."""
    overwrite: bool = False
    """Replace the run that is in the folder, if one is."""
    figures: bool = True
    """Draw the pictures into DIR/figures."""
    movie: Annotated[Movie, tyro.conf.arg(name="")] = Movie()


@dataclass(frozen=True)
class Resume:
    """Goes on with an interrupted run or population, to the same bits as if it had not been."""

    folder: Annotated[Path, tyro.conf.arg(name="DIR"), tyro.conf.Positional]
    """Its folder."""
    figures: bool = True
    """Draw the pictures into DIR/figures."""
    movie: Annotated[Movie, tyro.conf.arg(name="")] = Movie()
    hosts: Hosts = Hosts()


@dataclass(frozen=True)
class Figures:
    """Draws the pictures of a finished run or population again, without training."""

    folder: Annotated[Path, tyro.conf.arg(name="DIR"), tyro.conf.Positional]
    """Its folder."""
    movie: Annotated[Movie, tyro.conf.arg(name="")] = Movie()


@dataclass(frozen=True)
class Compare:
    """Trains the studies of a comparison, those that are not finished yet, and tables them."""

    seeds: int | None = None
    """Machines that count in each study, at least 1; as many as its config says if not given."""
    out: Path | None = None
    """Folder of the studies' folders; runs/compare-NAME if not given."""


@dataclass(frozen=True)
class Results:
    """Writes the page of results from the folders of finished comparisons."""

    runs: Path = Path("runs")
    """Where the folders compare-NAME are."""
    out: Path = Path("RESULTS.md")
    """The page; sections of comparisons that are not in runs stay as they are."""
    pictures: Path = Path("docs/results")
    """Folder for its pictures."""


@dataclass(frozen=True)
class Bench:
    """Times training and measuring, in alternating rounds, beside NumPy and numba."""

    out: Path | None = None
    """JSON file to write the report to as well; replaced if it is there."""
    quick: bool = False
    """Smaller populations and fewer rounds."""


@dataclass(frozen=True)
class List:
    """The experiments, one line each."""


def train(arguments: Sequence[str]) -> None:
    _, options = parse_named(Train, Train, arguments, "train")
    experiment = options.experiment
    folder = options.out or Path("runs") / f"{experiment.name}-seed{experiment.seed}"
    with locks.taken(folder, new=True):
        runs.create(experiment, folder, overwrite=options.overwrite)
        finish(folder, options)


def population(arguments: Sequence[str]) -> None:
    name, options = parse_named(lambda e: Population(Study(e)), Population, arguments, "population")
    experiment = options.study.experiment
    default = configs.load(name).seed
    require(experiment.seed == default, "seed", experiment.seed, "must be left to --first-seed")
    last = options.study.first_seed + options.study.seeds - 1
    swept = "".join(f"-{option.removeprefix('sweep.')}" for option in options.study.swept())
    folder = options.out or Path("runs") / (
        f"{experiment.name}{swept}-seeds{options.study.first_seed}-{last}"
    )
    options.hosts.connect()
    with studies.taken(folder, new=True):
        studies.create(options.study, folder, overwrite=options.overwrite)
        finish_study(options.study, folder, figures=options.figures)


def replay(arguments: Sequence[str]) -> None:
    options = parse(Replay, arguments, "run.py replay")
    folder = options.folder
    studied = studies.read(folder)
    experiment = study.member(studied.study, options.seed, options.setting)
    out = options.out or folder / f"replay-setting{options.setting}-seed{options.seed}"
    with locks.taken(out, new=True):
        runs.create(experiment, out, overwrite=options.overwrite)
        finish(out, options)
    theirs = jax.tree.leaves(studied.machine(options.setting, options.seed))
    ours = jax.tree.leaves(files.load_params(out / "params.npz"))
    if not all(np.array_equal(a, b) for a, b in zip(theirs, ours, strict=True)):
        print(
            "error: its parameters are not those in the population; was that trained on another "
            f"kind of device or with other versions? See {folder / 'environment.json'}",
            file=sys.stderr,
        )
        raise SystemExit(1)
    print(f"its parameters are bit for bit those of seed {options.seed} in {folder}")


def resume(arguments: Sequence[str]) -> None:
    options = parse(Resume, arguments, "run.py resume")
    folder = options.folder
    options.hosts.connect()
    of_study = is_study(studies.config_of(folder))
    if not of_study and hosts.count() > 1:
        raise InvalidInput(f"DIR is {str(folder)!r}: is no population's; one host resumes a run")

    def nothing_is_left() -> bool:
        return folders.is_finished(folder) and (not options.figures or are_drawn(folder))

    with studies.taken(folder):
        if hosts.agree(nothing_is_left):
            print(f"{folder} is finished; 'figures {folder}' draws its pictures again")
        elif of_study:
            finish_study(studies.read_study(folder), folder, figures=options.figures)
        else:
            finish(folder, options)


def figures(arguments: Sequence[str]) -> None:
    options = parse(Figures, arguments, "run.py figures")
    config = folders.read_config(options.folder)
    with locks.taken(options.folder):
        if is_study(config):
            draw_study(options.folder)
        else:
            draw(options.folder, options.movie)


def is_study(config: Mapping[str, Any]) -> bool:
    return config["kind"] == Study.__name__


def are_drawn(folder: Path) -> bool:
    """Whether every picture of a finished run or study is there."""
    from analysis import pictures, populations

    if is_study(folders.read_config(folder)):
        return populations.are_drawn(studies.read(folder))
    return pictures.are_drawn(runs.read(folder))


def compare(arguments: Sequence[str]) -> None:
    from analysis import results, style

    name, *rest = named_first(arguments, "compare", "comparison", configs.COMPARISONS)
    comparison = configs.load_comparison(name)
    options = parse(Compare, rest, f"run.py compare {name}")
    if options.seeds is not None:
        require(options.seeds >= 1, "seeds", options.seeds, "must be at least 1")
        comparison = comparison.with_seeds(options.seeds)
    out = options.out or Path("runs") / f"compare-{name}"
    check(comparison, out)
    with locks.taken(out, new=True):
        for arm in comparison.arms:
            folder = folder_of(comparison, arm, out)
            if not folder.exists():
                studies.create(arm.study, folder)
            print(f"{arm.name}: {folder}")
            train_study(arm.study, folder, again=["compare", *arguments])
        reached = read_all(comparison, out)
        style.save(results.draw(comparison, reached), out / "comparison.png")
    print(results.section(name, comparison, reached, str(out / "comparison.png")))


def write_results(arguments: Sequence[str]) -> None:
    from analysis import results, style

    options = parse(Results, arguments, "run.py results")
    require(options.runs.is_dir(), "runs", str(options.runs), "must be a folder that is there")
    require_parent(options.out)
    sections = {}
    for name in configs.names(configs.COMPARISONS):
        comparison, folder = configs.load_comparison(name), options.runs / f"compare-{name}"
        if not all(
            folders.is_finished(folder_of(comparison, arm, folder)) for arm in comparison.arms
        ):
            print(f"{name}: not finished in {folder}, left as it is")
            continue
        reached = read_all(comparison, folder)
        options.pictures.mkdir(parents=True, exist_ok=True)
        picture = options.pictures / f"{name}.png"
        style.save(results.draw(comparison, reached), picture)
        beside = Path(os.path.relpath(picture, options.out.parent)).as_posix()
        sections[name] = results.section(name, comparison, reached, beside)
    results.write(options.out, sections)
    print(f"{options.out}: {', '.join(sections) or 'nothing new'}")


def bench(arguments: Sequence[str]) -> None:
    from hmjax import bench

    options = parse(Bench, arguments, "run.py bench")
    if options.out is not None:
        require_parent(options.out)
    with tqdm.tqdm(bar_format="{desc}", leave=False) as bar:
        report = bench.run(
            configs.load("shifter"), quick=options.quick, show=bar.set_description_str
        )
    print(bench.render(report))
    if options.out is not None:
        files.write_json(options.out, report)


def require_parent(out: Path) -> None:
    require(out.parent.is_dir(), "out", str(out), "must lie in a folder that is there")


def list_experiments(arguments: Sequence[str]) -> None:
    parse(List, arguments, "run.py list")
    width = max(map(len, configs.names())) + 2
    for name in configs.names():
        print(f"{name:{width}}{configs.summary(name)}")


def finish(folder: Path, options: Train | Resume | Replay) -> None:
    """Trains the run in a folder to its end, prints its table, draws its pictures."""
    from analysis import table

    try:
        with (
            saying("what was trained is kept. Go on with", ["resume", str(folder)]),
            progress_bar() as show,
        ):
            results = runs.carry_out(folder, show, note)
    except Diverged as error:
        raise Diverged(
            error.step, f"the last good state is in {folder / 'checkpoint.npz'}"
        ) from None
    print(table.render(runs.read_experiment(folder), results))
    if options.figures:
        draw(folder, options.movie)


def finish_study(what: Study, folder: Path, *, figures: bool) -> None:
    """Trains the study of a folder to its end, prints its tables, draws its pictures."""
    from analysis import table

    results = train_study(what, folder, again=["resume", str(folder)])
    if hosts.is_first():
        print(table.render_study(folder, results))
        if figures:
            draw_study(folder)


def train_study(what: Study, folder: Path, *, again: Sequence[str]) -> dict[str, Any]:
    """Trains the study of a folder to its end, and gives its results.

    Args:
      what: the study.
      folder: its folder.
      again: the arguments of the command that goes on with it after Ctrl-C.
    """
    from analysis import table

    parts = study.parts_of(what)
    total = sum(len(part.members) for part in parts) * what.experiment.steps
    if hosts.is_first():
        print(table.plan(what, parts))
    with (
        saying("what was trained is kept. Go on with", again),
        tqdm.tqdm(total=total, unit=" steps", unit_scale=True, disable=not hosts.is_first()) as bar,
    ):
        return studies.carry_out(what, folder, lambda done: bar.update(done - bar.n), note)


def note(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)


@contextlib.contextmanager
def saying(what: str, arguments: Sequence[str]) -> Iterator[None]:
    """Says, where Ctrl-C or a full disk end it, what is there and which command goes on with it."""
    by = shlex.join(["python", "run.py", *arguments])
    try:
        yield
    except KeyboardInterrupt:
        print(f"\ninterrupted; {what}: {by}", file=sys.stderr)
        raise
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(f"{error}; {what}: {by}") from None


def draw(folder: Path, movie: Movie) -> None:
    """Draws the pictures of a finished run."""
    from analysis import pictures

    with saying("all is trained. Draw its pictures by", ["figures", str(folder)]):
        drawn = pictures.draw_all(runs.read(folder), fps=movie.fps)
    print(f"pictures in {drawn}")


def draw_study(folder: Path) -> None:
    """Draws the pictures of a finished study."""
    from analysis import populations

    with saying("all is trained. Draw its pictures by", ["figures", str(folder)]):
        drawn = populations.draw_all(studies.read(folder))
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
            nll = progress.curves[experiment.nll][-1]
            bars[0].set_postfix_str(f"NLL {nll:.3f} bits", refresh=False)
            bars[0].update(int(progress.state.step) - bars[0].n)

        yield show


def parse_named(
    default: Callable[[Experiment], T], kind: type[T], arguments: Sequence[str], command: str
) -> tuple[str, T]:
    """The name of the experiment that comes first, and the options of a command on it.

    Raises:
      InvalidInput: if the name or the options are wrong.
    """
    name, *others = named_first(arguments, command, "experiment", configs.EXPERIMENTS)
    rest, experiment = with_rule(others, configs.load(name))
    return name, parse(kind, rest, f"run.py {command} {name}", default=default(experiment))


def named_first(arguments: Sequence[str], command: str, kind: str, package: str) -> Sequence[str]:
    """Arguments that begin with a name; to ask for help, any name will do.

    Raises:
      InvalidInput: if they do not.
    """
    if arguments and not arguments[0].startswith("-"):
        return arguments
    known = configs.names(package)
    if {"-h", "--help"} & set(arguments):
        return [known[0], *arguments]
    article = "an" if kind[0] in "aeiou" else "a"
    raise InvalidInput(f"{command} needs the name of {article} {kind}: one of {', '.join(known)}")


def with_rule(arguments: Sequence[str], experiment: Experiment) -> tuple[Sequence[str], Experiment]:
    """What `--rule NAME` among arguments chooses: the other arguments, and the experiment with it.

    Settings that all rules share are those of the experiment.

    Raises:
      InvalidInput: if there is no rule of that name.
    """
    chooser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    chooser.add_argument("--rule", choices=RULES)
    try:
        chosen, others = chooser.parse_known_args(arguments)
    except argparse.ArgumentError:
        raise InvalidInput(f"--rule must be one of {', '.join(RULES)}") from None
    if chosen.rule is None or isinstance(experiment.rule, RULES[chosen.rule]):
        return others, experiment
    shared = {each.name: getattr(experiment.rule, each.name) for each in fields(Descent)}
    return others, replace(experiment, rule=RULES[chosen.rule](**shared))


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "train": train,
    "population": population,
    "replay": replay,
    "resume": resume,
    "figures": figures,
    "compare": compare,
    "results": write_results,
    "bench": bench,
    "list": list_experiments,
}


def main(arguments: Sequence[str]) -> int:
    """Runs a command.

    Returns:
      The exit status: 0, 1 if a run failed, 2 for bad input, 130 if interrupted.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    if any(each.startswith("--hosts.") for each in arguments) and not hosts.is_supervised():
        return hosts.supervise([sys.executable, __file__, *arguments])
    command, *rest = arguments
    try:
        platform.prepare()
        platform.cache_compiled()
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
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).splitlines()[0]
        if hosts.are_several():
            said = f"another host was lost; resume goes on from here: {reason}"
        elif reason.startswith("RESOURCE_EXHAUSTED"):
            said = f"there is too little memory for so much at once: {reason}"
        else:
            raise
        print(f"error: {said}", file=sys.stderr)
        return hosts.leave(1)
    except BrokenPipeError:
        raise
    except (Diverged, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return hosts.leave(1)
    except KeyboardInterrupt:
        return hosts.leave(130)
    except SystemExit as stop:  # --help
        return int(stop.code or 0)
    return 0


def program() -> NoReturn:
    """`main` as a program, which is quiet when it is interrupted or no one reads on."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # For what Python writes out when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 128 + signal.SIGPIPE
    if status == 130:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # not waiting for what is still being compiled
    sys.exit(status)


if __name__ == "__main__":
    program()
