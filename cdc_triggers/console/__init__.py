"""What the stream serves on --http: probes, Hasura's metadata API, plain REST and its page."""
