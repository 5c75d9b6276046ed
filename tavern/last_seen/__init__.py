"""What was last seen of the realm stays readable while it is away."""
