"""What is asked of many machines: sweeps of settings, summaries, intervals, comparisons."""
