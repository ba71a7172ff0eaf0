"""What of the gateway needs no server: requests as a contract makes them, prices, providers, settings."""
