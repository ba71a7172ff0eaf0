"""Does the whole site build? What it is made of is tested in `tests/unit/docs`."""
