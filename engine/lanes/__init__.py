"""Many runs in one compiled program."""
