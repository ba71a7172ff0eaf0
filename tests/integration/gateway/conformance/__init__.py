"""Does a test of a contract find out what its tool is like? Against tools that keep their contracts and others."""
