"""Engines of others on this machine (llama.cpp, vLLM), each a service that keeps one serving a proven checkpoint.

In reading order: making (the file that is served), commands (how an engine is started), llamacpp (llama.cpp's server as
a process), keeper (the service).
"""
