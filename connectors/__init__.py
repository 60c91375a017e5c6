"""One outside system each: plain arguments in, no rules of the pipeline."""
