"""`make demo`: a shop, its triggers, the stream and a receiver, on a PostgreSQL of their own."""
