"""The shifter: how near the entropy floor each rule and recipe comes."""

import dataclasses

from configs import shifter, shifter_best, shifter_deep
from configs.shifter_best import recipe
from hmjax import Evaluation, Machine, Reweighted, Shifter
from hmjax.study.comparison import Arm, Comparison, Goal, Of
from hmjax.study.sweeps import Study

PLAIN = shifter.experiment
SHORT = dataclasses.replace(
    PLAIN,
    rule=Reweighted(decay_at=100_000, decay_over=100_000, decay_factor=0.01),
    evaluation=Evaluation(every=20_000),
    steps=200_000,
)
# Half the recipe, on sparser data and on more hidden units, which nothing exact is known of.
SPARSE = recipe("shifter_best", 1_000_000, task=Shifter(p_on=0.2))
WIDE = recipe("shifter_best", 1_000_000, machine=Machine((24,), visible_bias=-2.0))
HALF = recipe("shifter_deep", 1_000_000, renew_top=False, machine=shifter_deep.experiment.machine)
GOALS: tuple[tuple[str, Of, float], ...] = (
    ("nll", "median", 8.3),
    ("nll", "best", 8.05),
    ("recovery", "median", 0.90),
    ("recovery", "best", 0.955),
)
SIXTEEN = "with restarts (shifter_best)"
DEEP = "the same, 32-16-8-4 (shifter_deep)"
SIMPLER = "half as long, the simpler of 2"

comparison = Comparison(
    title="Shifter to the floor",
    about=(
        "Published wake-sleep stops 1.4 bits above the entropy of the data. Machines are stuck "
        "with dead hidden units, and with hidden units that stand for a pixel and hint at both of "
        "its shifts; neither more samples nor other rates or optimisers get them out. Making a few "
        "units anew and keeping what is better does (`configs/shifter_best.py`), further than the "
        "best of as many machines as cost the same. The recognition net then knows the direction "
        "nearly wherever it can be known, but the top units of most 32-16-4 machines hold it in a "
        "code, such as whether two of them agree, that no sum of signed units reads. One more "
        "layer (`configs/shifter_deep.py`) lets the layer below the top hold such codes. What the "
        "NLL does not ask for it does not give: of machines near the floor those of lower NLL tell "
        "no more of the direction, and those whose top units hold fewer bits on the image, be it "
        "what it may, tell more. Of two machines of half the steps the simpler in that sense is "
        "taken; the choice sees no label. The column sampled is the NLL by 200 importance samples "
        "on each of 256 images, which restarts that go by a sampled NLL have not seen."
    ),
    arms=(
        Arm("wake-sleep, as published", Study(PLAIN)),
        Arm("reweighted, K = 10", Study(SHORT)),
        Arm("the same, best of 10", Study(SHORT, seeds=640), best_of=10),
        Arm(SIXTEEN, Study(shifter_best.experiment)),
        Arm(DEEP, Study(shifter_deep.experiment)),
        Arm(SIMPLER, Study(HALF, seeds=128), best_of=2, best_by="top_bits"),
        Arm("32-16-4, 1M steps, p_on 0.2", Study(SPARSE)),
        Arm("32-24-4, 1M steps, sampled", Study(WIDE)),
    ),
    measures=("nll", "recovery", "by_state", "top_bits", "sampled"),
    goals=tuple(
        Goal(arm, measure, of, bound)
        for arm in (SIXTEEN, DEEP, SIMPLER)
        for measure, of, bound in GOALS
    ),
)
