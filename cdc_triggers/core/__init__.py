"""Pure: bytes in, decisions out. No driver, no clock, no environment."""
