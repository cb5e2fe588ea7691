"""The console: pages for people, rendered here, on the same port as the API."""
