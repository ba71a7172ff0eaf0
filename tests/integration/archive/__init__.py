"""Do logs leave the stream without anything being lost, wherever the archivist dies?"""
