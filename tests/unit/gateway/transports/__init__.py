"""What of the transports needs no server: requests as a contract makes them, what is blotted out, what may be run."""
