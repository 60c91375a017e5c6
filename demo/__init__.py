"""A demonstration of the whole pipeline: what is recorded, and how it is run."""
