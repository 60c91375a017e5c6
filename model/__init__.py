"""What the pipeline knows: records, their identity, and how a recording is judged."""
