"""What a conformance test decides, without a tool."""
