"""What compose.yaml runs once, before the worker starts."""
