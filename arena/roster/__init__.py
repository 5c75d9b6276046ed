"""The heroes of a world: who there are, made, branched off, switched to, retired; for pages, API and commands."""
