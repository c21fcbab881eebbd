"""What comparisons came to: their tables and pictures, and the page that holds them."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import style
from hmjax.store import files
from hmjax.study.comparison import (
    Comparison,
    Goal,
    Outcome,
    asks_for_more,
    is_met,
    reaching,
    value_of,
)
from hmjax.study.criteria import CRITERIA, Criterion
from hmjax.study.intervals import wilson

PAGE = """# Results

Studies of learning rules and recipes, each by one command; `python run.py results` writes this page
from their folders. Every row is a distribution over seeds. A step is one image, and one update of
both nets by it. Times are of training all seeds of a row side by side, on the machine of README.
Measures are exact, by enumeration, where that can be had; otherwise the NLL is by annealed
importance sampling, which reads a little high, and recovery is measured on held-out images.
Recovery, by q or by the posterior, is of the direction (of the bars and Ts, their orientation) from
the sum of the top units' expected states, each with the best sign, or, of more than two, by the
nearest mean state; balanced accuracy is the same with all classes counted alike (of the bars, two
thirds are vertical). A cause (a bar, a T, a pixel and where it has moved to) is found if a hidden
unit draws it: if the cosine between the two is 0.8 or more.
"""


def columns(comparison: Comparison) -> list[str]:
    """What the columns of a comparison's table hold."""
    measures = [CRITERIA[each] for each in comparison.measures]
    names = ["", "machines", "steps each"]
    names += [f"{each.label}, median (quartiles)" for each in measures]
    names += [f"best {each.label.split(' (')[0]}" for each in measures]
    names += [f"{_share_of(*each)} (95% interval)" for each in comparison.shares]
    return [*names, "training (s)"]


def section(name: str, comparison: Comparison, arms: Sequence[Outcome], picture: str) -> str:
    """The section of a comparison, in Markdown.

    Args:
      name: of the comparison.
      comparison: what was asked.
      arms: what each arm came to.
      picture: where its picture is, relative to the page.
    """
    measures = [CRITERIA[each] for each in comparison.measures]
    header = columns(comparison)
    lines = [f"## {comparison.title}", "", comparison.about, ""]
    lines += [f"    python run.py compare {name}", ""]
    lines += [_row(header), _row(["---"] * len(header))]
    for reached in arms:
        arm, experiment = reached.arm, reached.arm.study.experiment
        values = [reached.values[each] for each in comparison.measures]
        count = len(values[0])
        row = [arm.name, str(count), f"{experiment.steps:,}", *map(_spread, values)]
        row += [
            _number(measure.best(of)) if len(of) else "-"
            for measure, of in zip(measures, values, strict=True)
        ]
        row += [_share(*reaching(reached, *each)) for each in comparison.shares]
        lines.append(_row([*row, f"{reached.train_seconds:,.0f}"]))
    if comparison.goals:
        lines += ["", *(_goal(goal, arms) for goal in comparison.goals)]
    lines += ["", f"![{comparison.title}]({picture})"]
    return "\n".join(lines)


@style.ours()
def draw(comparison: Comparison, arms: Sequence[Outcome]) -> Figure:
    """Every machine of every arm as a dot, with medians, quartiles and limits, by measure."""
    count = len(comparison.measures)
    columns = min(count, 2)
    rows = math.ceil(count / columns)
    height = 1.0 + 0.42 * len(arms)
    figure = Figure(figsize=(6.4 * columns + 1, 1.1 + rows * (height + 0.6)), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for name, axes in zip(comparison.measures, panels, strict=False):
        goals = [goal for goal in comparison.goals if goal.measure == name]
        _strips(axes, CRITERIA[name], [arm.values[name] for arm in arms], arms, goals)
    for left_over in panels[count:]:
        left_over.remove()
    panels[0].set_yticks(range(len(arms)), [arm.arm.name for arm in arms])
    panels[0].invert_yaxis()
    figure.suptitle(
        f"{comparison.title}: each dot a machine, medians and quartiles in black, "
        "dotted the best possible"
    )
    return figure


def write(page: Path, sections: dict[str, str]) -> None:
    """Puts sections into the page, each in place of an older one of its name.

    Args:
      page: the file; made if it is not there.
      sections: Markdown by name, in the order that new ones are added.
    """
    text = page.read_text() if page.exists() else PAGE
    for name, content in sections.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        block = f"{begin}\n{content}\n{end}\n"
        older = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}\n", re.DOTALL)
        if older.search(text):
            text = older.sub(block.replace("\\", "\\\\"), text)
        else:
            text += f"\n{block}"
    with files.replacing(page) as temporary:
        temporary.write_text(text)


def _strips(
    axes: Axes,
    measure: Criterion,
    values: Sequence[np.ndarray],
    arms: Sequence[Outcome],
    goals: Sequence[Goal],
) -> None:
    rng = np.random.default_rng(0)
    limits = [measure.limit(arm.arm.study.experiment) for arm in arms]
    for y, (each, limit) in enumerate(zip(values, limits, strict=True)):
        each = each[np.isfinite(each)]
        axes.plot([limit, limit], [y - 0.4, y + 0.4], color=style.GREY, ls=":", lw=2)
        if not len(each):
            where = axes.get_yaxis_transform()
            axes.text(0.02, y, "not known", transform=where, va="center", backgroundcolor="white")
            continue
        apart = y + rng.uniform(-0.22, 0.22, len(each))
        axes.plot(each, apart, "o", color=style.BLUE, ms=3.5, alpha=0.45, mew=0)
        low, middle, high = np.quantile(each, (0.25, 0.5, 0.75))
        axes.plot([low, high], [y, y], color=style.BLACK, lw=1.5)
        axes.plot([middle, middle], [y - 0.27, y + 0.27], color=style.BLACK, lw=3)
    names = [arm.arm.name for arm in arms]
    marked: dict[str, Line2D] = {}
    for goal in goals:
        if goal.of != "share":
            y = names.index(goal.arm)
            colour = style.VERMILLION if goal.of == "median" else style.GREEN
            (mark,) = axes.plot(goal.bound, y + 0.42, "^", color=colour, ms=8, clip_on=False)
            marked[f"goal for the {goal.of}"] = mark
    if marked:
        handles, labels = list(marked.values()), list(marked)
        axes.legend(
            handles, labels, fontsize=9, frameon=True, framealpha=1, edgecolor="none", loc="best"
        )
    axes.set_xlabel(measure.label)
    axes.grid(axis="x", color="#E6E6E6")
    axes.set_axisbelow(True)


def _goal(goal: Goal, arms: Sequence[Outcome]) -> str:
    value = value_of(goal, list(arms))
    of = f"{goal.of} {CRITERIA[goal.measure].label}"
    what = _share_of(goal.measure, goal.at) if goal.of == "share" else of
    said = f"{'at least' if asks_for_more(goal) else 'at most'} {goal.bound:g}"
    return (
        f"- {goal.arm}: {what} {said} asked, {_number(value)} reached: "
        f"**{'met' if is_met(goal, value) else 'missed'}**"
    )


def _share_of(measure: str, at: float) -> str:
    it = CRITERIA[measure]
    return f"share of {it.label.split(' (')[0]} {'>=' if it.better == 'higher' else '<='} {at:g}"


def _spread(values: np.ndarray) -> str:
    if not len(values) or not np.isfinite(values).all():
        return "-"
    low, middle, high = (_number(each) for each in np.quantile(values, (0.25, 0.5, 0.75)))
    return f"{middle} ({low} to {high})"


def _share(hits: int, trials: int) -> str:
    if not trials:
        return "-"
    low, high = wilson(hits, trials)
    return f"{hits / trials:.2f} ({low:.2f} to {high:.2f})"


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"


def _row(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
