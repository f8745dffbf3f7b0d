"""Dirty bytes and pending changes on their way to the bucket: staging, plans, uploads, intents, the executor."""
