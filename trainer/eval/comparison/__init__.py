"""Results of several runs side by side: rows, paired intervals, and the formats that tables are written in."""
