"""The published shifter: 32-16-4 on 8-pixel rows, 1.5 million steps of plain wake-sleep."""

from hmjax import Experiment

experiment = Experiment("shifter")
