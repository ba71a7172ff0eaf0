"""What the command decides and prints, without a cluster."""
