"""Training: the loop over steps, and where machines are on devices. It writes no file."""
