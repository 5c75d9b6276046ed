"""Project package: settings, world paths, durable writes, the guard. Importing it imports nothing else."""
