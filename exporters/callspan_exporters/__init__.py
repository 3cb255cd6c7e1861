"""Floor 2: out. Redaction, delivery, and one module per sink."""
