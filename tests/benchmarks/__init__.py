"""The parts of the benchmarks that decide what is compared."""
