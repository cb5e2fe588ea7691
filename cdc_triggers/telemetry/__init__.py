"""Where facts go, and the clocks."""
