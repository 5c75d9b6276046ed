"""OpenAI's fine-tuning API over quests and battles. In reading order: api, errors, files, models, hyperparameters,
records, jobs, telling, events, checkpoints, results, battle_log, pages."""
