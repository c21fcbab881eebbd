"""What a step costs in moved data: scalar programs of the rules, and a stack that prices reads.

It is a model of scalar code, not what the vectorised program does: nothing in hmjax imports it.
"""

from hmjax.cost.kernels import Style
from hmjax.cost.profile import Profile, cost_of, price
from hmjax.cost.recording import Recording, record, record_steps
from hmjax.cost.tracing import trace

__all__ = ["Profile", "Recording", "Style", "cost_of", "price", "record", "record_steps", "trace"]
