"""How often, how fast and how far machines break the symmetry between two classes."""

import dataclasses
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis import style
from analysis.panels import (
    LINES,
    PANELS,
    below_title,
    best_of,
    by_nll,
    count_finite,
    draw_legend,
    draw_panels,
    draw_share,
    label_ends,
    label_outer,
    line_styles,
    mark_of,
    name_but_top,
    panel_title,
    settings_told,
)
from hmjax import Machine, Shifter, WakeSleep
from hmjax.store.studies import FinishedStudy
from hmjax.study.intervals import wilson
from hmjax.study.verdicts import BROKEN, CONTRAST, SELECTIVITY

PUBLISHED = {1: (0, 30)}
"""Machines that broke the symmetry, and all there were, by top units: what the NumPy program of
hinton-problems came to on the shifter."""

_PUBLISHED_STEPS = 500_000


def _is_as_published(studied: FinishedStudy) -> bool:
    """Whether the settings of a study are those that were published, but for the top units."""
    study, experiment = studied.study, studied.study.experiment
    machine = dataclasses.replace(experiment.machine, top=Machine().top)
    swept = [option for option in study.swept() if option != "top"]
    own = experiment.task, experiment.rule, machine, experiment.steps
    return not swept and own == (Shifter(), WakeSleep(), Machine(), _PUBLISHED_STEPS)


_BY_CONTRAST: dict[str, Any] = {"markerfacecolor": "white"}
"""How what the direction contrast says is drawn beside what the published selectivity says."""


def symmetry_breaking(studied: FinishedStudy) -> Figure:
    """The share of seeds that broke the symmetry against top units, by both measures."""
    told = settings_told(studied, "broken_share")
    summaries = [studied.results["settings"][index] for index in told]
    tops = sorted({summary["sizes"][-1] for summary in summaries})
    others, note = _others(studied, told)
    size = (9, 5.3) if len(others) == 1 else (11, 5.8 + 0.11 * len(others))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    apart = min(0.12, 0.7 / len(others))
    aside = min(0.1, apart / 3)  # of the second verdict
    for summary in summaries:
        name = name_but_top(summary)
        if name not in others:
            continue
        place = others.index(name)
        x = tops.index(summary["sizes"][-1]) + (place - (len(others) - 1) / 2) * apart
        colour, marker = mark_of(place)
        for told_by, at, how in (
            (summary, x, {}),
            (summary.get("by_contrast"), x + aside, _BY_CONTRAST),
        ):
            if told_by is not None:
                share, interval = told_by["broken_share"], told_by["broken_interval"]
                draw_share(axes, at, share, interval, colour, marker, **how)
        if len(others) == 1:
            text = f"{summary['broken']} of {count_finite(summary)}"
            _annotate(axes, text, x, summary["broken_share"], -8)
    if _is_as_published(studied):
        for top, (hits, trials) in PUBLISHED.items():
            if top in tops:
                x = tops.index(top) - 0.22
                share = hits / trials
                draw_share(axes, x, share, wilson(hits, trials), style.GREY, "s")
                text = f"hinton-problems: {hits} of {trials}"
                _annotate(axes, text, x, share, 10)
    axes.set_xticks(range(len(tops)), [str(top) for top in tops])
    axes.set_xlim(-0.9, len(tops) - 0.3)
    axes.set_ylim(-0.03, 1.08)
    axes.set_xlabel("top units")
    axes.set_ylabel("share of seeds, with 95% Wilson interval")
    marks = [mark_of(place) for place in range(len(others))] if len(others) > 1 else []
    handles = [
        Line2D([], [], color=colour, marker=marker, ls="", label=name)
        for name, (colour, marker) in zip(others, marks, strict=False)
    ]
    if any(summary.get("by_contrast") for summary in summaries):
        handles += [
            Line2D([], [], color=style.BLACK, marker="o", ls="", label=label, markerfacecolor=face)
            for label, face in (
                ("by |selectivity|, as published", style.BLACK),
                ("by |direction contrast|", "white"),
            )
        ]
    if handles:
        draw_legend(figure, handles)
    figure.suptitle(
        f"How often the symmetry breaks: a top unit of exact size {BROKEN} or more\n"
        f"after {studied.results['steps']:,} steps{note}"
    )
    return figure


def _annotate(axes: Axes, text: str, x: float, y: float, aside: float) -> None:
    """Writes a little above a place, so many points to its right, or to its left if negative."""
    side = "left" if aside > 0 else "right"
    axes.annotate(
        text, (x, y), (aside, 4), textcoords="offset points", fontsize=10, ha=side, va="bottom"
    )


def _others(studied: FinishedStudy, told: list[int]) -> tuple[list[str], str]:
    """What settings differ in but for the top, as far as there is room; what a title says of it."""
    summaries = studied.results["settings"]
    names = list(dict.fromkeys(name_but_top(summaries[index]) for index in told))
    if len(names) <= LINES:
        return names, ""
    best = dict.fromkeys(name_but_top(summaries[index]) for index in by_nll(studied, told))
    return list(best)[:LINES], f"; the best {LINES} of {len(names)} by median NLL"


def time_to_break(studied: FinishedStudy) -> Figure:
    """The share of seeds not yet broken against steps, a survival curve for each setting."""
    steps = studied.results["step"]
    every = studied.study.experiment.evaluation.every
    early = ", early ones more often" if steps[1] < min(every, steps[-1]) else ""
    shown, note = best_of(studied, settings_told(studied, "broken_share"), LINES)
    summaries = [studied.results["settings"][index] for index in shown]
    told = {"by |selectivity|, as published": summaries}
    if all(summary.get("by_contrast") for summary in summaries):
        told["by |direction contrast|"] = [each | each["by_contrast"] for each in summaries]
    styles, several = line_styles(len(summaries)), len(summaries) > 1
    width = (5.0 if several else 4.5) * len(told) + 1.0 + 1.2 * several
    figure = Figure(figsize=(width, 5.2), layout="constrained")
    panels = figure.subplots(1, len(told), squeeze=False, sharey=True)[0]
    for axes, (by, each) in zip(panels, told.items(), strict=True):
        for summary, how in zip(each, styles, strict=True):
            axes.step(steps, summary["not_yet_broken"], where="post", **how)
        style.steps_axis(axes, steps)
        axes.set_ylim(-0.03, 1.03)
        axes.set_title(by)
        if several:
            ends = [summary["not_yet_broken"][-1] for summary in each]
            axes.set_xlim(right=steps[-1])
            label_ends(axes, ends, [summary["name"] for summary in each], styles, 0.042)
    panels[0].set_ylabel("share of seeds not yet broken")
    figure.suptitle(
        f"When the symmetry breaks: the first evaluation with a top unit of {BROKEN} or more\n"
        f"(every {every:,} steps{early}; what remains is censored at the end)" + below_title(note)
    )
    return figure


def selectivity_distribution(studied: FinishedStudy) -> Figure:
    """How strong the strongest top unit of each seed is, setting by setting, by both measures."""
    shown, note = best_of(studied, settings_told(studied, "broken_share"), PANELS)
    figure, panels = draw_panels(len(shown))
    edges = np.linspace(0, 1, 41)
    most = 1
    for index, axes in zip(shown, panels, strict=True):
        mine = (studied.rows["setting"] == index) & ~studied.rows["diverged"]
        counts, _ = np.histogram(studied.rows[SELECTIVITY.strongest][mine], edges)
        colours = [style.GREY if left < BROKEN - 1e-9 else style.BLUE for left in edges[:-1]]
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colours)
        most = max(most, counts.max())
        if CONTRAST.strongest in studied.rows:
            counts, _ = np.histogram(studied.rows[CONTRAST.strongest][mine], edges)
            axes.stairs(counts, edges, color=style.VERMILLION, lw=1.4, label="|direction contrast|")
            most = max(most, counts.max())
        axes.axvline(BROKEN, color=style.BLACK, ls=":", lw=1)
        share = studied.results["settings"][index]["broken_share"]
        name = studied.settings[index].name or "all seeds"
        axes.set_title(panel_title(name, f"{share:.1%} broke, as published"))
    panels[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].set_xlim(0, 1)
    panels[0].set_ylim(0, 1.08 * most)
    label_outer(panels, "size of a machine's strongest top unit", "seeds")
    if panels[0].get_legend_handles_labels()[0]:
        panels[0].legend(loc="upper right", fontsize=10)
    figure.suptitle(
        f"|Selectivity| by seed (bars); grey has not broken the symmetry (below {BROKEN})"
        + below_title(note)
    )
    return figure
