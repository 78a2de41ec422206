"""What a launch does between its start and its end."""
