"""Named comparisons: each file defines `comparison`, studies that answer a question."""
