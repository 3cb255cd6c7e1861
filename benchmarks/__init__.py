"""What callspan costs: run ``python -m benchmarks``."""
