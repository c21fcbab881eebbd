"""What is estimated of a machine by sampling, where it is too large to enumerate."""

from hmjax.importance.sampling import importance_sampled

__all__ = ["importance_sampled"]
