"""Letters T at random places, upright or upside down: 25-27-4 by the recipe, 200,000 steps."""

from hmjax import Tees, recipe

experiment = recipe("tees", Tees(), (27,))
