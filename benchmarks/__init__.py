"""Side-by-side measurements that anyone can repeat; ratios within one run count, absolute figures do not."""
