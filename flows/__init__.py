"""The flows, their steps, and the policy that joins model and connectors."""
