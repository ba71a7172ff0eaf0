"""What follows from what was recorded. The table in README.md leads from each rule of DESIGN to its test."""
