"""What the demo decides without a cluster."""
