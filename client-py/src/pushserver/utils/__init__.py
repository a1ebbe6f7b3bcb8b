"""What publishes."""
