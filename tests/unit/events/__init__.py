"""What stored bytes are: events, their chain, their signatures, the payloads they name, and how they travel."""
