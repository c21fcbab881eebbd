"""Says what each rule has to move until machines have reached a goal."""

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tqdm

import configs
from commands.arguments import named_first, parse, require_new_with_picture
from commands.terminal import fitted
from hmjax.cost import criterion
from hmjax.errors import require
from hmjax.store import files


@dataclass(frozen=True)
class Cost:
    """Trains the arms of a race until their machines have reached its goals, and says the cost."""

    seeds: int = 256
    """Machines of each arm, at least 1."""
    out: Path | None = None
    """JSON file, written arm by arm, with a picture beside it; runs/cost-NAME.json if not given."""
    overwrite: bool = False
    """Replace it if it is there."""

    def __post_init__(self) -> None:
        require(self.seeds >= 1, "seeds", self.seeds, "must be at least 1")


def main(arguments: Sequence[str]) -> None:
    name, *rest = named_first(arguments, "cost", "race", configs.COSTS)
    race = configs.load_race(name)
    options = parse(Cost, rest, f"run.py cost {name}")
    out = options.out or Path("runs") / f"cost-{name}.json"
    if options.out is None:
        out.parent.mkdir(exist_ok=True)
    require_new_with_picture(out, ".json", overwrite=options.overwrite)
    report: dict[str, Any] = {}
    for report in run(race, options.seeds):
        files.write_json(out, report)
    print(fitted(as_table(report)))

    from analysis import costs, style  # Matplotlib takes a while to import

    style.save(costs.draw_race(report), out.with_suffix(".png"))
    print(f"\nall of it: {shlex.quote(str(out))}")
    print(f"picture: {shlex.quote(str(out.with_suffix('.png')))}")


def run(race: criterion.Race, seeds: int) -> Iterator[dict[str, Any]]:
    """What a race has come to, as JSON values, after each of its arms."""
    report: dict[str, Any] = {
        "title": race.title,
        "about": race.about,
        "seeds": seeds,
        "floor": race.arms[0].experiment.task.entropy_bits,
        "arms": [],
    }
    for arm in race.arms:
        total = arm.experiment.steps
        with tqdm.tqdm(total=total, desc=arm.name, unit=" steps", unit_scale=True) as bar:

            def show(step: int, bar: tqdm.tqdm = bar) -> None:
                bar.update(step - bar.n)

            course = criterion.train(arm, seeds, race.goals, show)
        report["arms"].append(criterion.outcome(arm, course, race.goals))
        yield report


def as_table(report: dict[str, Any]) -> str:
    """A race as a Markdown table, a row a goal and arm, the cheapest of each goal first."""
    lines = [
        "| goal | arm | solved (95% interval) | steps, median of solved | cost a step "
        "| cost of solved, median | cost a solution | with restarts |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for goal in range(len(report["arms"][0]["goals"])):
        rows = [(arm, arm["goals"][goal]) for arm in report["arms"]]
        rows.sort(key=lambda row: _or_infinity(row[1]["cost_with_restarts"]))
        for arm, it in rows:
            low, high = it["interval"]
            steps = "" if it["median_steps"] is None else f"{it['median_steps']:,.0f}"
            costs = (it[name] for name in ("median_cost", "cost_a_solution", "cost_with_restarts"))
            cells = [
                *(it["goal"], arm["name"], f"{it['share']:.3f} ({low:.3f} to {high:.3f})"),
                *(steps, f"{arm['cost_a_step']:,.0f}"),
                *("" if cost is None else f"{cost:.2e}" for cost in costs),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _or_infinity(value: float | None) -> float:
    return math.inf if value is None else value
