"""The inference host: checkpoints of heroes behind an OpenAI-style API, each reply proven to be of one of them.

Reading order: catalogue.py (what could be loaded), loading.py (from verified files to a model in memory),
loaded_models.py (what is loaded, under a memory budget), rows.py and generation.py (one batch of prompts), scheduler.py
(requests into batches), chat.py (what is asked and told, in the words of realm/oracle/wire.py), app.py (the endpoints),
server.py (the process).
"""
