"""How often, how fast and how far machines break the symmetry between two classes."""

import dataclasses

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import style
from analysis.panels import (
    ABOVE,
    LINES,
    PANELS,
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
from hmjax.study.verdicts import BROKEN

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


def symmetry_breaking(studied: FinishedStudy) -> Figure:
    """The share of seeds that broke the symmetry against the number of top units."""
    told = settings_told(studied, "broken_share")
    summaries = [studied.results["settings"][index] for index in told]
    tops = sorted({summary["sizes"][-1] for summary in summaries})
    others, note = _others(studied, told)
    size = (9, 5) if len(others) == 1 else (11, 5.5 + 0.11 * len(others))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    apart = min(0.12, 0.7 / len(others))
    labelled = set()
    for summary in summaries:
        name = name_but_top(summary)
        if name not in others:
            continue
        place = others.index(name)
        x = tops.index(summary["sizes"][-1]) + (place - (len(others) - 1) / 2) * apart
        label = None if name in labelled else name
        labelled.add(name)
        interval = summary["broken_interval"]
        draw_share(axes, x, summary["broken_share"], interval, *mark_of(place), label)
        if len(others) == 1:
            text = f"{summary['broken']} of {count_finite(summary)}"
            axes.annotate(text, (x, summary["broken_share"]), (8, 4), **ABOVE)
    if _is_as_published(studied):
        for top, (hits, trials) in PUBLISHED.items():
            if top in tops:
                x = tops.index(top) - 0.22
                share = hits / trials
                draw_share(axes, x, share, wilson(hits, trials), style.GREY, "s")
                text = f"hinton-problems:\n{hits} of {trials}"
                axes.annotate(text, (x, share), (-8, 10), **(ABOVE | {"ha": "right"}))
    axes.set_xticks(range(len(tops)), [str(top) for top in tops])
    axes.set_xlim(-0.9, len(tops) - 0.3)
    axes.set_ylim(-0.03, 1.08)
    axes.set_xlabel("top units")
    axes.set_ylabel("share of seeds, with 95% Wilson interval")
    if len(others) > 1:
        draw_legend(figure, others)
    axes.set_title(
        f"How often the symmetry breaks: a top unit of exact |selectivity| {BROKEN} or more\n"
        f"after {studied.results['steps']:,} steps{note}"
    )
    return figure


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
    styles = line_styles(len(summaries))
    figure = Figure(figsize=(9 if len(summaries) == 1 else 11, 5.2), layout="constrained")
    axes = figure.subplots()
    for summary, how in zip(summaries, styles, strict=True):
        axes.step(steps, summary["not_yet_broken"], where="post", **how)
    style.steps_axis(axes, steps)
    axes.set_ylim(-0.03, 1.03)
    if len(summaries) > 1:
        ends = [summary["not_yet_broken"][-1] for summary in summaries]
        axes.set_xlim(right=steps[-1])
        label_ends(axes, ends, [summary["name"] for summary in summaries], styles, 0.042)
    axes.set_ylabel("share of seeds not yet broken")
    figure.suptitle(
        f"When the symmetry breaks: the first evaluation with |selectivity| {BROKEN} or more\n"
        f"(every {every:,} steps{early}; what remains is censored at the end)"
        + (f"\n{note[0].upper()}{note[1:]}" if note else "")
    )
    return figure


def selectivity_distribution(studied: FinishedStudy) -> Figure:
    """How strong the strongest top unit of each seed is, setting by setting."""
    shown, note = best_of(studied, settings_told(studied, "broken_share"), PANELS)
    figure, panels = draw_panels(len(shown))
    edges = np.linspace(0, 1, 41)
    most = 1
    for index, axes in zip(shown, panels, strict=True):
        mine = (studied.rows["setting"] == index) & ~studied.rows["diverged"]
        values = studied.rows["strongest_selectivity"][mine]
        counts, _ = np.histogram(values, edges)
        most = max(most, counts.max())
        colours = [style.GREY if left < BROKEN - 1e-9 else style.BLUE for left in edges[:-1]]
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colours)
        axes.axvline(BROKEN, color=style.BLACK, ls=":", lw=1)
        share = studied.results["settings"][index]["broken_share"]
        name = studied.settings[index].name or "all seeds"
        axes.set_title(panel_title(name, f"{share:.1%} broke"))
    panels[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].set_xlim(0, 1)
    panels[0].set_ylim(0, 1.08 * most)
    label_outer(panels, "strongest |selectivity| of a machine's top units", "seeds")
    figure.suptitle(
        f"Selectivity by seed; grey has not broken the symmetry (below {BROKEN})"
        + (f"\n{note[0].upper()}{note[1:]}" if note else "")
    )
    return figure
