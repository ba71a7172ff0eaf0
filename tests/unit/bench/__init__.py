"""What the benches make of measurements, without measuring anything large."""
