"""The parts of the local scheduler. Those that the supervisor runs import nothing but the standard library."""
