"""Units: log probabilities are in nats, what people see is in bits."""

import math

NATS_PER_BIT = math.log(2)
