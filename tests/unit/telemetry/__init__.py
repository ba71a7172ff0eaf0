"""What programs tell of themselves: metrics, alerts, runbooks."""
