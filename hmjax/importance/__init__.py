"""What is estimated of a machine by sampling, where it is too large to enumerate."""

from hmjax.importance.annealing import annealed
from hmjax.importance.completion import complete
from hmjax.importance.estimate import Estimate, Samples
from hmjax.importance.sampling import importance_sampled

__all__ = ["Estimate", "Samples", "annealed", "complete", "importance_sampled"]
