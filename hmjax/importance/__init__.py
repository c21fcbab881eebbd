"""What is estimated of a machine by sampling, where it is too large to enumerate."""

from hmjax.importance.annealing import annealed
from hmjax.importance.estimate import Estimate
from hmjax.importance.sampling import Sampled, importance_sampled

__all__ = ["Estimate", "Sampled", "annealed", "importance_sampled"]
