"""Quests, queue, gatekeepers, daemon, battles. Importing it imports nothing else."""
