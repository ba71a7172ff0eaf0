"""Three brokers that keep every stream together: one of them fails, and nothing that was acknowledged is lost."""
