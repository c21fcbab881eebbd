"""The table of measures: what each is called, how it is shown, which direction is better.

Results, statistics and what is printed read it. One more measure is a line here, its computation in
`evaluation`, and another schema, with what stands for it in folders from before.
"""

import math
from typing import Literal, NamedTuple

from hmjax.tasks import Task


class Measure(NamedTuple):
    """A measure of one machine.

    Attributes:
      name: in results, curves and rows.
      label: for people, with its unit.
      better: which direction is, if either.
      is_exact: whether it is taken by enumeration, and not by sampling.
      axes: of its array: the top units, the top states that are held (one-hot, and all off), or
        what fantasies can show; none for a number.
      is_annealed: whether it is by annealed importance sampling, and so taken only at the end of
        training, of what cannot be enumerated.
      of_held_out: whether only a task with images that are held out has it.
      of_validation: whether only one with images that decide when training stops has it.
      since: the schema that it came with; in folders from before it is not known.
    """

    name: str
    label: str
    better: Literal["lower", "higher"] | None
    is_exact: bool
    axes: tuple[Literal["top", "held", "shown"], ...] = ()
    is_annealed: bool = False
    of_held_out: bool = False
    of_validation: bool = False
    since: int = 1

    @property
    def is_always_there(self) -> bool:
        """Whether machines on every task have it."""
        return not (self.of_held_out or self.of_validation)


def _annealed(
    name: str,
    label: str,
    better: Literal["lower", "higher"] | None,
    *,
    of_held_out: bool = False,
    since: int = 4,
) -> Measure:
    return Measure(
        *(name, label, better),
        is_exact=False,
        is_annealed=True,
        of_held_out=of_held_out,
        since=since,
    )


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("is_nll_bits", "NLL, importance-sampled (bits)", "lower", False),
        Measure(
            *("is_effective_samples", "effective importance samples", None, False),
            since=4,
        ),
        Measure("is_error_bits", "its standard error (bits)", None, False, since=5),
        Measure(
            *("is_training_nll_bits", "NLL of training images, importance-sampled (bits)"),
            *("lower", False),
            of_held_out=True,
        ),
        Measure(
            *("exact_held_out_nll_bits", "NLL of held-out images, exact (bits)", "lower", True),
            of_held_out=True,
        ),
        Measure(
            *("validation_nll_bits", "NLL of validation images (bits)", "lower", False),
            of_validation=True,
        ),
        Measure("exact_nll_bits", "NLL, exact (bits)", "lower", True),
        Measure("kl_bits", "KL to the data, exact (bits)", "lower", True),
        Measure("elbo_bits", "ELBO, exact (bits)", "higher", True),
        _annealed("annealed_nll_bits", "NLL, annealed (bits)", "lower"),
        _annealed("annealed_error_bits", "its standard error (bits)", None),
        _annealed("annealed_effective_runs", "effective annealed runs", None),
        _annealed(
            *("annealed_training_nll_bits", "NLL of training images, annealed (bits)", "lower"),
            of_held_out=True,
        ),
        _annealed(
            "direction_recovery_annealed", "recovery, posterior, annealed", "higher", since=5
        ),
        Measure("direction_recovery", "recovery, sampled", "higher", False),
        Measure("direction_recovery_exact", "recovery, exact", "higher", True),
        Measure("direction_recovery_posterior", "recovery, posterior", "higher", True),
        Measure("balanced_accuracy", "balanced accuracy, sampled", "higher", False, since=6),
        Measure("balanced_accuracy_exact", "balanced accuracy, exact", "higher", True, since=6),
        Measure(
            *("balanced_accuracy_posterior", "balanced accuracy, posterior", "higher", True),
            since=6,
        ),
        _annealed(
            *("balanced_accuracy_annealed", "balanced accuracy, posterior, annealed", "higher"),
            since=6,
        ),
        Measure(
            "balanced_accuracy_null",
            "the same, labels shuffled (95th percentile), sampled",
            None,
            False,
            since=6,
        ),
        Measure(
            "balanced_accuracy_null_exact",
            "the same, labels shuffled (95th percentile), exact",
            None,
            True,
            since=6,
        ),
        Measure("selectivity", "selectivity, sampled", None, False, ("top",)),
        Measure("selectivity_exact", "selectivity, exact", None, True, ("top",)),
        Measure(
            *("direction_contrast", "direction contrast, sampled", None, False, ("top",)), since=6
        ),
        Measure(
            *("direction_contrast_exact", "direction contrast, exact", None, True, ("top",)),
            since=6,
        ),
        Measure("shown_given_top", "P(shown | top), sampled", None, False, ("held", "shown")),
        Measure("shown_given_top_exact", "P(shown | top), exact", None, True, ("held", "shown")),
        Measure("fantasies", "P(shown), sampled", None, False, ("shown",)),
        Measure("fantasies_exact", "P(shown), exact", None, True, ("shown",)),
    )
}

STRONGEST = Measure("strongest_selectivity", "strongest |selectivity|, exact", "higher", True)
"""Of a machine of a study: that of its top units."""

STRONGEST_CONTRAST = Measure(
    "strongest_contrast", "strongest |direction contrast|, exact", "higher", True, since=6
)
"""The same of their `direction_contrast`."""


def measures_of(task: Task) -> list[Measure]:
    """Those that machines on a task have."""
    return [
        each
        for each in MEASURES.values()
        if each.is_always_there
        or (each.of_held_out and task.has_held_out)
        or (each.of_validation and task.has_validation)
    ]


def shape_of(measure: Measure, tops: int, classes: int) -> tuple[int, ...]:
    """The shape of a measure of a machine with so many top units and classes to tell apart."""
    lengths = {"top": tops, "held": tops + 1, "shown": classes + 2}
    return tuple(lengths[axis] for axis in measure.axes)


def ends_of(name: str, task: Task) -> tuple[float, float]:
    """What a measure that tells classes apart comes to by chance, and at best; NaN for others.

    By chance, the published recovery is what naming all images after the most probable class gives.
    Noise may do a little better, by the best of all sign vectors: `balanced_accuracy_null` says.
    Of images that are held out no best is known.
    """
    if "_null" in name or not name.startswith(("direction_recovery", "balanced_accuracy")):
        return math.nan, math.nan
    is_balanced, shares = name.startswith("balanced_accuracy"), task.class_shares
    chance = 1 / sum(share > 0 for share in shares) if is_balanced else max(shares)
    if task.has_held_out:
        return chance, math.nan
    return chance, task.best_balanced_accuracy if is_balanced else task.best_accuracy


def has_equal_classes(task: Task) -> bool:
    """Whether all classes are as probable, so that balanced accuracy and recovery are the same."""
    return max(task.class_shares) - min(task.class_shares) < 1e-6
