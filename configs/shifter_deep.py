"""The shifter by 32-16-8-4 and the recipe of shifter_best: top units that tell left from right."""

from configs.shifter_best import recipe
from hmjax import Machine

experiment = recipe(
    "shifter_deep",
    2_000_000,
    renew_top=False,  # made anew, top units would as soon share the direction out in a code
    machine=Machine((16, 8), 4, visible_bias=-2.0),
)
