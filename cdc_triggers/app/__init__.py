"""The application: runs what the core decides, through the ports."""
