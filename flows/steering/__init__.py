"""What people do to a running pipeline: look at it, check it, send things again."""
