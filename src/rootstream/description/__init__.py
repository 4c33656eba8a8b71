"""`system.yaml`: models, nodes with their places, rules, variants, messages, schema and reference page."""
