"""The only place that chooses adapters: `operating` for people, `streaming` for the stream."""
