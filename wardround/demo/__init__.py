"""The demo: three hospitals on one machine, made from nobody's brain, and what a federation is worth to them."""
